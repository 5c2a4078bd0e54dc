"""Pages about machtigingen: the list, one in detail, and the actions on it."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.delegation import pause, termination
from machtiging.delegation.authority.holders import load_descendant_ids
from machtiging.delegation.authority.queries import list_authorities_of_person, load_authority
from machtiging.delegation.code_renewal import CODE_ALREADY_RENEWED, CodeToReplace, renew_code
from machtiging.delegation.helper_names import load_helper_names
from machtiging.delegation.offer import Giver
from machtiging.delegation.rules import Capacity, MachtigingAction
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
from machtiging.portal.forms import read_submitted_form
from machtiging.portal.giving.code_page import NewCode, render_code_page
from machtiging.portal.labels import CompletedAction, describe_completed_action
from machtiging.portal.views import MachtigingCard
from machtiging.storage.reserved_connections import reserve_connection
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
NO_SUCH_CODE = UUID(int=0)


@router.get("/machtigingen")
@reserve_connection
async def show_machtigingen(
    request: Request, visitor: Citizen, session: Transaction, gedaan: str | None = None
) -> HTMLResponse:
    """List the given and received machtigingen, newest first."""
    at = access_services(request).clock.now()
    people = views.PersonNames(session, access_services(request).keyring)
    names = await views.load_agency_names(session)
    found = await list_authorities_of_person(session, visitor.person_id, at=at)
    await people.preload(found, visitor, at)
    cards = [await views.build_machtiging_card(each, visitor, people, names, at) for each in found]
    waiting = await count_pending_requests(session, visitor.person_id, at)
    unmailed = await count_unread_undelivered(session, visitor.person_id, at=at)
    return render_page(
        request,
        "machtigingen.html",
        given=[card for card in cards if card.is_giver],
        received=[card for card in cards if not card.is_giver],
        message=describe_completed_action(gedaan),
        waiting=waiting,
        unmailed=unmailed,
    )


@router.get("/machtigingen/{machtiging_id}")
@reserve_connection
async def show_machtiging(
    request: Request, machtiging_id: UUID, visitor: Citizen, session: Transaction, gedaan: str | None = None
) -> HTMLResponse:
    """Show one machtiging. Raises NotFound `machtiging_onbekend` if it is not the visitor's."""
    card = await _load_card(request, session, visitor, machtiging_id)
    return await _render_machtiging(request, session, visitor, card, message=views.find_confirmation(gedaan, card))


async def _render_machtiging(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    card: MachtigingCard,
    *,
    message: str | None = None,
    note: str | None = None,
) -> HTMLResponse:
    """Render the current state. With a `note` if the requested action was no longer possible."""
    at = access_services(request).clock.now()
    code = await views.find_renewable_code(session, MachtigingId(card.id), visitor.person_id, at)
    works = code is not None and code.is_redeemable_at(at)
    values = {"card": card, "actions": MachtigingAction, "message": message, "note": note, "code": code, "works": works}
    return render_page(request, "machtiging.html", status=409 if note else 200, **values)


async def _show_current_state(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    machtiging_id: UUID,
    action: CompletedAction,
    refusal: Conflict,
) -> Response:
    """Answer a repeated or late action.

    If its result still holds, redirect to the page with its message. Otherwise show the current state.
    """
    card = await _load_card(request, session, visitor, machtiging_id)
    if views.find_confirmation(action, card) is not None:
        return _redirect_to_machtiging(machtiging_id, action)
    return await _render_machtiging(request, session, visitor, card, note=describe_refusal(refusal))


@router.get("/machtigingen/{machtiging_id}/intrekken")
@reserve_connection
async def show_withdraw_confirmation(
    request: Request, machtiging_id: UUID, visitor: Citizen, session: Transaction
) -> HTMLResponse:
    """Ask for confirmation. Only for the giver, and only while it can be revoked."""
    card = await _load_card(request, session, visitor, machtiging_id)
    if MachtigingAction.WITHDRAW not in card.actions:
        return await _render_machtiging(request, session, visitor, card)
    return render_page(request, "intrekken.html", card=card)


@router.post("/machtigingen/{machtiging_id}/intrekken")
@reserve_connection
async def submit_withdrawal(
    request: Request, machtiging_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Revoke the machtiging, then the app consents based on it, in one transaction."""
    at = access_services(request).clock.now()
    try:
        ended = await termination.revoke_machtiging(session, MachtigingId(machtiging_id), visitor.person_id, at=at)
    except Conflict as refusal:  # caught here, so that the journal line is committed
        return await _show_current_state(request, session, visitor, machtiging_id, CompletedAction.WITHDRAWN, refusal)
    by_giver = GrantEnding(MachtigingAction.WITHDRAW.value, visitor.person_id, Capacity.SELF)
    handler = oauth_services(request).details_handler
    for ended_id in (ended.id, *await load_descendant_ids(session, ended.id)):
        await end_grants_of_machtiging(session, handler, ended_id, by_giver, at=at)
    return _redirect_to_machtiging(machtiging_id, CompletedAction.WITHDRAWN)


@router.post("/machtigingen/{machtiging_id}/teruggeven")
@reserve_connection
async def submit_give_back(
    request: Request, machtiging_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """End the machtiging by the helper, with the app consents based on it."""
    at = access_services(request).clock.now()
    try:
        ended = await termination.give_back_machtiging(session, MachtigingId(machtiging_id), visitor.person_id, at=at)
    except Conflict as refusal:
        return await _show_current_state(request, session, visitor, machtiging_id, CompletedAction.GIVEN_BACK, refusal)
    by_helper = GrantEnding(MachtigingAction.GIVE_BACK.value, visitor.person_id, ended.capacity)
    await end_grants_of_machtiging(session, oauth_services(request).details_handler, ended.id, by_helper, at=at)
    return _redirect_to_machtiging(machtiging_id, CompletedAction.GIVEN_BACK)


@router.post("/machtigingen/{machtiging_id}/pauzeren")
@reserve_connection
async def submit_pause(
    request: Request, machtiging_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Pause the machtiging."""
    at = access_services(request).clock.now()
    try:
        await pause.pause_machtiging(session, MachtigingId(machtiging_id), visitor.person_id, at=at)
    except Conflict as refusal:
        return await _show_current_state(request, session, visitor, machtiging_id, CompletedAction.PAUSED, refusal)
    return _redirect_to_machtiging(machtiging_id, CompletedAction.PAUSED)


@router.post("/machtigingen/{machtiging_id}/hervatten")
async def submit_resume(
    request: Request, machtiging_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Resume the machtiging."""
    at = access_services(request).clock.now()
    try:
        await pause.resume_machtiging(session, MachtigingId(machtiging_id), visitor.person_id, at=at)
    except Conflict as refusal:
        return await _show_current_state(request, session, visitor, machtiging_id, CompletedAction.RESUMED, refusal)
    return _redirect_to_machtiging(machtiging_id, CompletedAction.RESUMED)


@router.post("/machtigingen/{machtiging_id}/nieuwe-code")
async def submit_new_code(
    request: Request, machtiging_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> HTMLResponse:
    """Replace the code of an offer and show the new one once.

    The form names the replaced code, so that two clicks make one new code.
    """
    services, at = access_services(request), access_services(request).clock.now()
    giver = Giver(visitor.person_id, visitor.assurance)
    replaced = CodeToReplace(
        MachtigingId(machtiging_id), _parse_replaced_code((await read_submitted_form(request)).first_value("vervangt"))
    )
    try:
        renewed = await renew_code(session, services.keyring, services.delegation_limits, giver, replaced, at=at)
    except Conflict as refusal:
        if refusal.code != CODE_ALREADY_RENEWED:
            card = await _load_card(request, session, visitor, machtiging_id)
            return await _render_machtiging(request, session, visitor, card, note=describe_refusal(refusal))
        code = await views.find_renewable_code(session, replaced.machtiging_id, visitor.person_id, at)
        twice = "aanbod_al_gemaakt.html"
        return render_page(request, twice, status=409, machtiging_id=machtiging_id, code=code, renewed=True)
    card = await _load_card(request, session, visitor, machtiging_id)
    until = min(at + services.delegation_limits.code_lifetime, card.agreement.ends_at)
    names = await load_helper_names(session, services.keyring, visitor.person_id, [machtiging_id])
    new_code = NewCode(renewed.code, renewed.check_word, until, names.get(machtiging_id, ""))
    return render_code_page(request, new_code, card.agreement, renewed=True)


def _parse_replaced_code(code_id: str) -> UUID:
    """Parse the code id in the form; `NO_SUCH_CODE` if invalid."""
    try:
        return UUID(code_id)
    except ValueError:
        return NO_SUCH_CODE


def _redirect_to_machtiging(machtiging_id: UUID, action: CompletedAction) -> RedirectResponse:
    return RedirectResponse(f"/machtigingen/{machtiging_id}?gedaan={action}", 303)


async def _load_card(request: Request, session: AsyncSession, visitor: Visitor, machtiging_id: UUID) -> MachtigingCard:
    services = access_services(request)
    found = await load_authority(session, MachtigingId(machtiging_id), at=services.clock.now())
    if found is None or visitor.person_id not in (found.vertegenwoordigde_id, found.holder_id):
        raise NotFound("machtiging_onbekend")
    people = views.PersonNames(session, services.keyring)
    return await views.build_machtiging_card(
        found, visitor, people, await views.load_agency_names(session), services.clock.now()
    )
