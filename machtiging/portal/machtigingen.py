"""Pages of a helper about machtigingen that were received. Those of the giver are in `portal.gemachtigden`."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.delegation import termination
from machtiging.delegation.authority.queries import list_authorities_of_person, load_authority
from machtiging.delegation.rules import MachtigingAction
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import Conflict, NotFound
from machtiging.kernel.ids import MachtigingId
from machtiging.message_catalogue import describe_refusal
from machtiging.notifications.delivery_failures import count_unread_undelivered
from machtiging.oauth.ciba.queries import count_pending_requests
from machtiging.oauth.dependencies import oauth_services
from machtiging.oauth.end_grants import GrantEnding, end_grants_of_machtiging
from machtiging.portal import views
from machtiging.portal.labels import CompletedAction, describe_completed_action
from machtiging.portal.views import MachtigingCard
from machtiging.storage.reserved_connections import reserve_connection
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)


@router.get("/machtigingen")
@reserve_connection
async def show_machtigingen(
    request: Request, visitor: Citizen, session: Transaction, gedaan: str | None = None
) -> HTMLResponse:
    """List the received machtigingen, newest first."""
    at = access_services(request).clock.now()
    people = views.PersonNames(session, access_services(request).keyring)
    names = await views.load_agency_names(session)
    found = await list_authorities_of_person(session, visitor.person_id, at=at)
    received = [one for one in found if one.vertegenwoordigde_id != visitor.person_id]
    await people.preload(received, visitor, at)
    return render_page(
        request,
        "machtigingen.html",
        received=[await views.build_machtiging_card(each, visitor, people, names, at) for each in received],
        message=describe_completed_action(gedaan),
        waiting=await count_pending_requests(session, visitor.person_id, at),
        unmailed=await count_unread_undelivered(session, visitor.person_id, at=at),
    )


@router.get("/machtigingen/{machtiging_id}")
@reserve_connection
async def show_machtiging(
    request: Request, machtiging_id: UUID, visitor: Citizen, session: Transaction, gedaan: str | None = None
) -> Response:
    """Show a received machtiging; redirect to the page of one that the visitor gave.

    Raises NotFound `machtiging_onbekend` if it is not the visitor's.
    """
    card = await _load_card(request, session, visitor, machtiging_id)
    if card.is_giver:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/helpers/{machtiging_id}{query}", 308)
    return _render_machtiging(request, card, message=views.find_confirmation(gedaan, card))


@router.get("/machtigingen/{machtiging_id}/intrekken")
async def redirect_old_question(machtiging_id: UUID, _: Citizen) -> RedirectResponse:
    """Redirect the address of before to the question of the giver."""
    return RedirectResponse(f"/helpers/{machtiging_id}/intrekken", 308)


def _render_machtiging(
    request: Request, card: MachtigingCard, *, message: str | None = None, note: str | None = None
) -> HTMLResponse:
    """Render the current state. With a `note` if the requested action was no longer possible."""
    values = {"card": card, "actions": MachtigingAction, "message": message, "note": note}
    return render_page(request, "machtiging.html", status=409 if note else 200, **values)


@router.get("/machtigingen/{machtiging_id}/teruggeven")
@reserve_connection
async def show_give_back_confirmation(
    request: Request, machtiging_id: UUID, visitor: Citizen, session: Transaction
) -> HTMLResponse:
    """Ask for confirmation, while the machtiging can be given back."""
    card = await _load_card(request, session, visitor, machtiging_id)
    if card.is_giver:
        raise NotFound("machtiging_onbekend")
    if MachtigingAction.GIVE_BACK not in card.actions:
        return _render_machtiging(request, card)
    return render_page(request, "teruggeven.html", card=card)


@router.post("/machtigingen/{machtiging_id}/teruggeven")
@reserve_connection
async def submit_give_back(
    request: Request, machtiging_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """End the machtiging by the helper, with the app consents based on it."""
    at = access_services(request).clock.now()
    try:
        ended = await termination.give_back_machtiging(session, MachtigingId(machtiging_id), visitor.person_id, at=at)
    except Conflict as refusal:  # caught here, so that the journal line is committed
        card = await _load_card(request, session, visitor, machtiging_id)
        if views.find_confirmation(CompletedAction.GIVEN_BACK, card) is not None:
            return _redirect_after_give_back(machtiging_id)
        return _render_machtiging(request, card, note=describe_refusal(refusal))
    by_helper = GrantEnding(MachtigingAction.GIVE_BACK.value, visitor.person_id, ended.capacity)
    await end_grants_of_machtiging(session, oauth_services(request).details_handler, ended.id, by_helper, at=at)
    return _redirect_after_give_back(machtiging_id)


def _redirect_after_give_back(machtiging_id: UUID) -> RedirectResponse:
    return RedirectResponse(f"/machtigingen/{machtiging_id}?gedaan={CompletedAction.GIVEN_BACK}", 303)


async def _load_card(request: Request, session: AsyncSession, visitor: Visitor, machtiging_id: UUID) -> MachtigingCard:
    services = access_services(request)
    found = await load_authority(session, MachtigingId(machtiging_id), at=services.clock.now())
    if found is None or visitor.person_id not in (found.vertegenwoordigde_id, found.holder_id):
        raise NotFound("machtiging_onbekend")
    people = views.PersonNames(session, services.keyring)
    return await views.build_machtiging_card(
        found, visitor, people, await views.load_agency_names(session), services.clock.now()
    )
