"""The table of the clients of an employee, with search, order and counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse

from machtiging.access.actor import build_citizen_actor
from machtiging.access.dependencies import access_services
from machtiging.berichtenbox.caseload.client_list import CaseloadPage, ClientCounts, list_clients
from machtiging.berichtenbox.caseload.client_order import ClientFilter, ClientOrder
from machtiging.berichtenbox.helping.unread_counts import MAX_COUNT
from machtiging.delegation.caseload.saved_filters import FilterPage
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import InvalidInput
from machtiging.message_catalogue import CatalogueLabels, describe_refusal, get_sentence
from machtiging.portal.forms import SubmittedForm
from machtiging.portal.work.absent_colleagues import load_reading_teams, load_replaced_names
from machtiging.portal.work.parameters import CLIENTS_PATH, ClientParameters
from machtiging.portal.work.saved_filters import SavedFilterLinks, build_saved_link, load_saved_links
from machtiging.portal.work.standing import describe_employee_stop
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
_ORDER_LABELS: Mapping[ClientOrder, str] = CatalogueLabels("work.order", ClientOrder)
_SEARCH_FIELD = "zoek"
# More clients than this are shown as "more than".
_MAX_TOTAL = 1_000
_NO_CLIENTS = CaseloadPage([], None, ClientCounts(0, 0, 0))


@dataclass(frozen=True, slots=True)
class ClientFilterLink:
    """A link to the list with one filter."""

    label: str
    href: str
    is_current: bool


@router.get(CLIENTS_PATH)
async def show_clients(
    request: Request, visitor: Citizen, session: Transaction, chosen: Annotated[ClientParameters, Query()]
) -> HTMLResponse:
    """List the clients whose post the visitor may read now. A refused search is shown again, with the reason."""
    sent = SubmittedForm({_SEARCH_FIELD: [chosen.zoek or ""]})
    page = _NO_CLIENTS
    try:
        page = await _load_page(request, session, visitor, chosen)
    except InvalidInput as refusal:
        sent.add_fault(_SEARCH_FIELD, describe_refusal(refusal))
    return render_page(
        request,
        "work_clients.html",
        status=400 if sent.faults else 200,
        sent=sent,
        page=page,
        stop="" if page.summaries else await describe_employee_stop(request, session, visitor),
        saved=await _load_saved_links(request, session, visitor, chosen),
        replaced=await load_replaced_names(request, session, [one.client.authority for one in page.summaries]),
        teams=await load_reading_teams(request, session, [one.client.authority for one in page.summaries]),
        chosen=chosen,
        filters=_build_filter_links(chosen, page.counts),
        orders=[(one.value, label) for one, label in _ORDER_LABELS.items()],
        max_count=MAX_COUNT,
        newest=chosen.make_link() if chosen.vanaf else "",
        older=chosen.make_link(vanaf=page.next_cursor) if page.next_cursor else "",
    )


async def _load_saved_links(
    request: Request, session: AsyncSession, visitor: Visitor, chosen: ClientParameters
) -> SavedFilterLinks:
    # A search and the order of the case references take a statement of their own, and a page takes four at most.
    if chosen.zoek or chosen.volgorde is ClientOrder.REFERENCE:
        return build_saved_link(visitor, FilterPage.CLIENTS, chosen)
    return await load_saved_links(request, session, visitor, FilterPage.CLIENTS, chosen)


async def _load_page(
    request: Request, session: AsyncSession, visitor: Visitor, chosen: ClientParameters
) -> CaseloadPage:
    services, reader = access_services(request), build_citizen_actor(visitor)
    query, at = chosen.to_query(), services.clock.now()
    return await list_clients(session, services.keyring, services.policy, reader, query, at=at)


def _build_filter_links(chosen: ClientParameters, counts: ClientCounts) -> list[ClientFilterLink]:
    labels = {
        None: get_sentence("work.filter.all", number=_describe_number(counts.total)),
        ClientFilter.UNREAD: get_sentence("work.filter.unread", number=_describe_number(counts.unread)),
        ClientFilter.ENDS_SOON: get_sentence("work.filter.ends_soon", number=_describe_number(counts.ends_soon)),
    }
    return [
        ClientFilterLink(label, chosen.make_link(toon=None if only is None else only.value), only is chosen.toon)
        for only, label in labels.items()
    ]


def _describe_number(number: int) -> str:
    return get_sentence("work.filter.more_than", number=_MAX_TOTAL) if number > _MAX_TOTAL else str(number)
