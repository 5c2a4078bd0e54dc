"""Pages about machtigingen: the list, one in detail, and the actions on it."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.delegation import end, pause, queries
from machtiging.delegation.offer import Giver
from machtiging.delegation.renew_code import ALREADY, Replaced, renew_code
from machtiging.delegation.rules import Capacity, Deed
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import Conflict, NotFound
from machtiging.kernel.ids import MachtigingId
from machtiging.notifications.undelivered import count_unseen_undelivered
from machtiging.oauth.ciba.queries import how_many_wait_for
from machtiging.oauth.dependencies import oauth_services
from machtiging.oauth.end_grants import Ending, end_grants_of_machtiging
from machtiging.portal import views
from machtiging.portal.forms import filled
from machtiging.portal.views import Card
from machtiging.portal.words import Done, done
from machtiging.storage.reserved import reserve_connection
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import page

router = APIRouter(include_in_schema=False)
NO_SUCH_CODE = UUID(int=0)


@router.get("/machtigingen")
@reserve_connection
async def overview(request: Request, visitor: Citizen, session: Transaction, gedaan: str | None = None) -> HTMLResponse:
    """List the given and received machtigingen, newest first."""
    people = views.Names(session, oauth_services(request).keyring)
    names = await views.catalogue(session)
    at = oauth_services(request).clock.now()
    both = [
        [await views.card(each, visitor, people, names, at) for each in found]
        for found in (
            await queries.given_by(session, visitor.person_id),
            await queries.received_by(session, visitor.person_id),
        )
    ]
    waiting = await how_many_wait_for(session, visitor.person_id, at)
    unmailed = await count_unseen_undelivered(session, visitor.person_id, at=at)
    return page(
        request,
        "machtigingen.html",
        given=both[0],
        received=both[1],
        message=done(gedaan),
        waiting=waiting,
        unmailed=unmailed,
    )


@router.get("/machtigingen/{machtiging_id}")
@reserve_connection
async def details(
    request: Request, machtiging_id: UUID, visitor: Citizen, session: Transaction, gedaan: str | None = None
) -> HTMLResponse:
    """Show one machtiging. Raises NotFound `machtiging_onbekend` if it is not the visitor's."""
    card = await _card(request, session, visitor, machtiging_id)
    return await _shown(request, session, visitor, card, message=views.confirmed(gedaan, card))


async def _shown(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    card: Card,
    *,
    message: str | None = None,
    note: str | None = None,
) -> HTMLResponse:
    """Render the current state. With a `note` if the requested action was no longer possible."""
    at = oauth_services(request).clock.now()
    code = await views.code_to_renew(session, MachtigingId(card.id), visitor.person_id, at)
    works = code is not None and code.works_at(at)
    values = {"card": card, "deeds": Deed, "message": message, "note": note, "code": code, "works": works}
    return page(request, "machtiging.html", status=409 if note else 200, **values)


async def _show_present_state(
    request: Request, session: AsyncSession, visitor: Visitor, machtiging_id: UUID, what: Done, refusal: Conflict
) -> Response:
    """Answer a repeated or late action.

    If its result still holds, redirect to the page with its message. Otherwise show the current state.
    """
    card = await _card(request, session, visitor, machtiging_id)
    if views.confirmed(what, card) is not None:
        return _back(machtiging_id, what)
    return await _shown(request, session, visitor, card, note=refusal.public)


@router.get("/machtigingen/{machtiging_id}/intrekken")
@reserve_connection
async def ask_to_withdraw(
    request: Request, machtiging_id: UUID, visitor: Citizen, session: Transaction
) -> HTMLResponse:
    """Ask for confirmation. Only for the giver, and only while it can be revoked."""
    card = await _card(request, session, visitor, machtiging_id)
    if Deed.WITHDRAW not in card.deeds:
        return await _shown(request, session, visitor, card)
    return page(request, "intrekken.html", card=card)


@router.post("/machtigingen/{machtiging_id}/intrekken")
@reserve_connection
async def withdraw(
    request: Request, machtiging_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Revoke the machtiging, then the app consents based on it, in one transaction."""
    at = oauth_services(request).clock.now()
    try:
        ended = await end.revoke(session, MachtigingId(machtiging_id), visitor.person_id, at=at)
    except Conflict as refusal:  # caught here, so that the journal line is committed
        return await _show_present_state(request, session, visitor, machtiging_id, Done.WITHDRAWN, refusal)
    by_giver = Ending(Deed.WITHDRAW.value, visitor.person_id, Capacity.SELF)
    await end_grants_of_machtiging(session, ended.id, by_giver, at=at)
    return _back(machtiging_id, Done.WITHDRAWN)


@router.post("/machtigingen/{machtiging_id}/teruggeven")
@reserve_connection
async def give_back(
    request: Request, machtiging_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """End the machtiging by the helper, with the app consents based on it."""
    at = oauth_services(request).clock.now()
    try:
        ended = await end.give_back(session, MachtigingId(machtiging_id), visitor.person_id, at=at)
    except Conflict as refusal:
        return await _show_present_state(request, session, visitor, machtiging_id, Done.GIVEN_BACK, refusal)
    by_helper = Ending(Deed.GIVE_BACK.value, visitor.person_id, ended.capacity)
    await end_grants_of_machtiging(session, ended.id, by_helper, at=at)
    return _back(machtiging_id, Done.GIVEN_BACK)


@router.post("/machtigingen/{machtiging_id}/pauzeren")
@reserve_connection
async def pausing(
    request: Request, machtiging_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Pause the machtiging."""
    at = oauth_services(request).clock.now()
    try:
        await pause.pause(session, MachtigingId(machtiging_id), visitor.person_id, at=at)
    except Conflict as refusal:
        return await _show_present_state(request, session, visitor, machtiging_id, Done.PAUSED, refusal)
    return _back(machtiging_id, Done.PAUSED)


@router.post("/machtigingen/{machtiging_id}/hervatten")
async def resuming(
    request: Request, machtiging_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Resume the machtiging."""
    at = oauth_services(request).clock.now()
    try:
        await pause.resume(session, MachtigingId(machtiging_id), visitor.person_id, at=at)
    except Conflict as refusal:
        return await _show_present_state(request, session, visitor, machtiging_id, Done.RESUMED, refusal)
    return _back(machtiging_id, Done.RESUMED)


@router.post("/machtigingen/{machtiging_id}/nieuwe-code")
async def new_code(
    request: Request, machtiging_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> HTMLResponse:
    """Replace the code of an offer and show the new one once.

    The form names the replaced code, so that two clicks make one new code.
    """
    services, at = oauth_services(request), oauth_services(request).clock.now()
    giver = Giver(visitor.person_id, visitor.assurance)
    replaced = Replaced(MachtigingId(machtiging_id), _named((await filled(request)).one("vervangt")))
    try:
        renewed = await renew_code(session, services.keyring, services.delegation_limits, giver, replaced, at=at)
    except Conflict as refusal:
        if refusal.code != ALREADY:
            card = await _card(request, session, visitor, machtiging_id)
            return await _shown(request, session, visitor, card, note=refusal.public)
        code = await views.code_to_renew(session, replaced.machtiging_id, visitor.person_id, at)
        twice = "aanbod_al_gemaakt.html"
        return page(request, twice, status=409, machtiging_id=machtiging_id, code=code, renewed=True)
    card = await _card(request, session, visitor, machtiging_id)
    until = min(at + services.delegation_limits.code_valid, card.agreement.ends_at)
    said = card.agreement
    shown = "aangeboden.html"
    return page(request, shown, said=said, code=renewed.code, word=renewed.word, code_until=until, renewed=True)


def _named(offered: str) -> UUID:
    """Parse the code id in the form; `NO_SUCH_CODE` if invalid."""
    try:
        return UUID(offered)
    except ValueError:
        return NO_SUCH_CODE


def _back(machtiging_id: UUID, what: Done) -> RedirectResponse:
    return RedirectResponse(f"/machtigingen/{machtiging_id}?gedaan={what}", 303)


async def _card(request: Request, session: AsyncSession, visitor: Visitor, machtiging_id: UUID) -> Card:
    found = await queries.machtiging_of(session, MachtigingId(machtiging_id), visitor.person_id)
    if found is None:
        raise NotFound("machtiging_onbekend", "Deze machtiging kennen wij niet.")
    services = oauth_services(request)
    people = views.Names(session, services.keyring)
    return await views.card(found, visitor, people, await views.catalogue(session), services.clock.now())
