"""Today: Letters in the boxes of all clients of an employee."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse

from machtiging.access.actor import build_citizen_actor
from machtiging.access.dependencies import access_services
from machtiging.berichtenbox.caseload.client_letters import ClientLettersPage, LetterOrder, list_client_letters
from machtiging.delegation.caseload.saved_filters import FilterPage
from machtiging.identity.session import Citizen
from machtiging.portal.labels import THEME_LABELS
from machtiging.portal.work.parameters import CLIENTS_PATH, TODAY_PATH, TodayParameters
from machtiging.portal.work.saved_filters import build_saved_link
from machtiging.portal.work.standing import describe_employee_stop
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)


@router.get(TODAY_PATH)
async def show_today(
    request: Request, visitor: Citizen, session: Transaction, chosen: Annotated[TodayParameters, Query()]
) -> HTMLResponse:
    """List the letters of all clients that the visitor may read now. Each letter is one press away."""
    services, reader = access_services(request), build_citizen_actor(visitor)
    at = services.clock.now()
    page = await list_client_letters(session, services.keyring, services.policy, reader, chosen.to_query(), at=at)
    newest = chosen.make_link()
    return render_page(
        request,
        "work_today.html",
        page=page,
        stop="" if page.has_clients else await describe_employee_stop(request, session, visitor),
        saved=build_saved_link(visitor, FilterPage.LETTERS, chosen),
        chosen=chosen,
        client_name=_find_client_name(page),
        by_end=chosen.volgorde is LetterOrder.ENDS,
        orders=[(one, one is chosen.volgorde, chosen.make_link(volgorde=one.value)) for one in LetterOrder],
        is_filtered=any((chosen.client, chosen.afzender, chosen.thema, chosen.ongelezen)),
        senders=sorted(page.senders.items(), key=lambda one: one[1].casefold()),
        themes=[(theme.value, label) for theme, label in THEME_LABELS.items()],
        without_client=chosen.make_link(client=None),
        clients_path=CLIENTS_PATH,
        newest=newest if chosen.vanaf else "",
        older=chosen.make_link(vanaf=page.next_cursor) if page.next_cursor else "",
    )


def _find_client_name(page: ClientLettersPage) -> str | None:
    """Return the name of the client of the letters, for a page of one client."""
    return next((letter.client_name for letter in page.letters), None)
