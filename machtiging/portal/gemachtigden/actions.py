"""Pause, resume and end a machtiging, and make a new code, as its giver."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.delegation import pause, termination
from machtiging.delegation.authority.holders import load_descendant_ids
from machtiging.delegation.code_renewal import CODE_ALREADY_RENEWED, CodeToReplace, renew_code
from machtiging.delegation.helper_names import load_helper_names
from machtiging.delegation.offer import Giver
from machtiging.delegation.rules import Capacity, MachtigingAction
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen
from machtiging.kernel.errors import Conflict
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.message_catalogue import describe_refusal
from machtiging.oauth.dependencies import oauth_services
from machtiging.oauth.end_grants import GrantEnding, end_grants_of_machtiging
from machtiging.portal import views
from machtiging.portal.forms import read_submitted_form
from machtiging.portal.gemachtigden.cards import load_given_card
from machtiging.portal.gemachtigden.detail import redirect_to_helper, render_helper, show_current_state
from machtiging.portal.giving.code_page import NewCode, render_code_page
from machtiging.portal.labels import CompletedAction
from machtiging.storage.reserved_connections import reserve_connection
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
NO_SUCH_CODE = UUID(int=0)


@router.get("/helpers/{machtiging_id}/intrekken")
@reserve_connection
async def show_withdraw_confirmation(
    request: Request, machtiging_id: UUID, visitor: Citizen, session: Transaction
) -> HTMLResponse:
    """Ask for confirmation, while the machtiging can be ended."""
    card = await load_given_card(request, session, visitor, MachtigingId(machtiging_id))
    if MachtigingAction.WITHDRAW not in card.actions:
        return await render_helper(request, session, visitor, card)
    return render_page(request, "helpers_end.html", card=card, can_pause=MachtigingAction.PAUSE in card.actions)


@router.post("/helpers/{machtiging_id}/intrekken")
@reserve_connection
async def submit_withdrawal(
    request: Request, machtiging_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """End the machtiging, then the app consents based on it, in one transaction."""
    at = access_services(request).clock.now()
    try:
        await withdraw_with_grants(request, session, MachtigingId(machtiging_id), visitor.person_id, at)
    except Conflict as refusal:  # caught here, so that the journal line is committed
        return await show_current_state(request, session, visitor, machtiging_id, CompletedAction.WITHDRAWN, refusal)
    return redirect_to_helper(machtiging_id, CompletedAction.WITHDRAWN)


async def withdraw_with_grants(
    request: Request, session: AsyncSession, machtiging_id: MachtigingId, giver_id: PersonId, at: datetime
) -> None:
    """End a machtiging as its giver, with the app consents under it. Raises as `revoke_machtiging`."""
    ended = await termination.revoke_machtiging(session, machtiging_id, giver_id, at=at)
    by_giver = GrantEnding(MachtigingAction.WITHDRAW.value, giver_id, Capacity.SELF)
    handler = oauth_services(request).details_handler
    for ended_id in (ended.id, *await load_descendant_ids(session, ended.id)):
        await end_grants_of_machtiging(session, handler, ended_id, by_giver, at=at)


@router.post("/helpers/{machtiging_id}/pauzeren")
@reserve_connection
async def submit_pause(
    request: Request, machtiging_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Pause the machtiging."""
    at = access_services(request).clock.now()
    try:
        await pause.pause_machtiging(session, MachtigingId(machtiging_id), visitor.person_id, at=at)
    except Conflict as refusal:
        return await show_current_state(request, session, visitor, machtiging_id, CompletedAction.PAUSED, refusal)
    return redirect_to_helper(machtiging_id, CompletedAction.PAUSED)


@router.post("/helpers/{machtiging_id}/hervatten")
async def submit_resume(
    request: Request, machtiging_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Resume the machtiging."""
    at = access_services(request).clock.now()
    try:
        await pause.resume_machtiging(session, MachtigingId(machtiging_id), visitor.person_id, at=at)
    except Conflict as refusal:
        return await show_current_state(request, session, visitor, machtiging_id, CompletedAction.RESUMED, refusal)
    return redirect_to_helper(machtiging_id, CompletedAction.RESUMED)


@router.post("/helpers/{machtiging_id}/nieuwe-code")
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
            card = await load_given_card(request, session, visitor, replaced.machtiging_id)
            return await render_helper(request, session, visitor, card, note=describe_refusal(refusal))
        code = await views.find_renewable_code(session, replaced.machtiging_id, visitor.person_id, at)
        twice = "aanbod_al_gemaakt.html"
        return render_page(request, twice, status=409, machtiging_id=machtiging_id, code=code, renewed=True)
    agreement = (await load_given_card(request, session, visitor, replaced.machtiging_id)).agreement
    until = min(at + services.delegation_limits.code_lifetime, agreement.ends_at)
    names = await load_helper_names(session, services.keyring, visitor.person_id, [MachtigingId(machtiging_id)])
    new_code = NewCode(renewed.code, renewed.check_word, until, names.get(MachtigingId(machtiging_id), ""))
    return render_code_page(request, new_code, agreement, renewed=True)


def _parse_replaced_code(code_id: str) -> UUID:
    """Parse the code id in the form; `NO_SUCH_CODE` if invalid."""
    try:
        return UUID(code_id)
    except ValueError:
        return NO_SUCH_CODE
