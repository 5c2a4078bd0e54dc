"""The emergency stop: a question, the stop, lifting it, and ending all for good."""

from __future__ import annotations

from contextlib import suppress

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse

from machtiging.access.dependencies import access_services
from machtiging.delegation.rules import EMERGENCY_STOP, Capacity
from machtiging.delegation.suspension.emergency_stop import (
    find_emergency_stop,
    lift_emergency_stop,
    list_machtigingen_to_end,
    start_emergency_stop,
)
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import Conflict
from machtiging.message_catalogue import get_sentence
from machtiging.oauth.dependencies import oauth_services
from machtiging.oauth.end_grants import GrantEnding, end_grants_of_person
from machtiging.portal.gemachtigden.actions import withdraw_with_grants
from machtiging.storage.reserved_connections import reserve_connection
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PATH = "/helpers/stop-alles"
_STARTED, _LIFTED, _ENDED = "gestopt", "opgeheven", "voorgoed"


@router.get(PATH)
@reserve_connection
async def show_emergency_stop(
    request: Request, visitor: Citizen, session: Transaction, gedaan: str | None = None
) -> HTMLResponse:
    """Ask the question; while the stop is on, show it and how to lift it."""
    return await _render_stop(request, session, visitor, gedaan)


async def _render_stop(request: Request, session: AsyncSession, visitor: Visitor, gedaan: str | None) -> HTMLResponse:
    started_at = await find_emergency_stop(session, visitor.person_id)
    count = len(await list_machtigingen_to_end(session, visitor.person_id))
    return render_page(
        request,
        "helpers_emergency_stop.html",
        started_at=started_at,
        count=count,
        message=_find_message(gedaan, is_on=started_at is not None, count=count),
    )


def _find_message(gedaan: str | None, *, is_on: bool, count: int) -> str | None:
    """Return the message for the action in the URL, if it is still true."""
    if gedaan == _STARTED and is_on:
        return get_sentence("helpers.stop.done")
    if gedaan == _LIFTED and not is_on:
        return get_sentence("helpers.stop.lifted")
    return get_sentence("helpers.stop.ended_all") if gedaan == _ENDED and count == 0 else None


@router.post(PATH)
@reserve_connection
async def submit_emergency_stop(
    request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> RedirectResponse:
    """Stop all reading by others, and end the apps of the visitor, in one transaction."""
    services, at = oauth_services(request), access_services(request).clock.now()
    await start_emergency_stop(session, visitor.person_id, at=at)
    by_her = GrantEnding(EMERGENCY_STOP, visitor.person_id, Capacity.SELF)
    await end_grants_of_person(session, services.details_handler, visitor.person_id, by_her, openid_only=False, at=at)
    return RedirectResponse(f"{PATH}?gedaan={_STARTED}", 303)


@router.post(PATH + "/opheffen")
async def submit_lifting(
    request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> RedirectResponse:
    """Lift the stop. Without a stop nothing changes."""
    await lift_emergency_stop(session, visitor.person_id, at=access_services(request).clock.now())
    return RedirectResponse(f"{PATH}?gedaan={_LIFTED}", 303)


@router.get(PATH + "/voorgoed")
@reserve_connection
async def show_ending_of_all(request: Request, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """Ask if every machtiging must end for good."""
    count = len(await list_machtigingen_to_end(session, visitor.person_id))
    if count == 0:
        return await _render_stop(request, session, visitor, _ENDED)
    return render_page(request, "helpers_end_all.html", count=count)


@router.post(PATH + "/voorgoed")
@reserve_connection
async def submit_ending_of_all(
    request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> RedirectResponse:
    """End every machtiging and offer of the visitor, with the app consents, in one transaction."""
    at = access_services(request).clock.now()
    for machtiging_id in await list_machtigingen_to_end(session, visitor.person_id):
        with suppress(Conflict):  # it ended meanwhile
            await withdraw_with_grants(request, session, machtiging_id, visitor.person_id, at)
    return RedirectResponse(f"{PATH}?gedaan={_ENDED}", 303)
