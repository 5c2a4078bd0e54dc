"""The people that a helper helps: a card each, the agreement, and giving back."""

from __future__ import annotations

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.actor import build_helper_actor
from machtiging.access.bearer import read_addressed_machtiging
from machtiging.access.dependencies import access_services
from machtiging.berichtenbox.helping.unread_counts import MAX_COUNT, count_unread
from machtiging.delegation import termination
from machtiging.delegation.authority.queries import list_authorities_of_person, load_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import NOT_THE_HOLDER, EffectiveState, MachtigingAction
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import Conflict, NotFound
from machtiging.kernel.ids import MachtigingId
from machtiging.message_catalogue import describe_refusal
from machtiging.oauth.dependencies import oauth_services
from machtiging.oauth.end_grants import GrantEnding, end_grants_of_machtiging
from machtiging.oauth.grant_management.consents import list_consents
from machtiging.portal import views
from machtiging.portal.helping.box import MachtigingIdInPath
from machtiging.portal.helping.paths import box_path
from machtiging.portal.helping.switcher import remember_helping, show_helped_people
from machtiging.portal.labels import CompletedAction, describe_completed_action
from machtiging.portal.machtiging_summary import answer_with_summary
from machtiging.portal.views import MachtigingCard
from machtiging.storage.reserved_connections import reserve_connection
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
_OVER = (EffectiveState.ENDED, EffectiveState.EXPIRED)


@router.get("/ik-help")
@reserve_connection
async def show_people(
    request: Request, visitor: Citizen, session: Transaction, gedaan: str | None = None
) -> HTMLResponse:
    """List the people that the visitor helps, newest first; those of before apart."""
    services = access_services(request)
    at = services.clock.now()
    authorities = await list_authorities_of_person(session, visitor.person_id, at=at)
    held_by_visitor = [one for one in authorities if one.vertegenwoordigde_id != visitor.person_id]
    people, names = views.PersonNames(session, services.keyring), await views.load_agency_names(session)
    await people.preload(held_by_visitor, visitor, at)
    cards = [await views.build_machtiging_card(one, visitor, people, names, at) for one in held_by_visitor]
    helpers = [build_helper_actor(visitor, one, str(one.machtiging_id)) for one in held_by_visitor]
    message = describe_completed_action(gedaan) if gedaan == CompletedAction.REFUSED else None
    show_helped_people(request, visitor, zip(held_by_visitor, (card.other for card in cards), strict=True), at)
    page = render_page(
        request,
        "helping_people.html",
        current=[card for card in cards if card.standing not in _OVER],
        earlier=[card for card in cards if card.standing in _OVER],
        message=message,
        unread=await count_unread(session, services.policy, helpers, at=at),
        max_count=MAX_COUNT,
    )
    return remember_helping(page, helps=bool(cards))


@router.get("/ik-help/{machtigingId}")
@reserve_connection
async def show_agreement(
    request: Request,
    machtiging_id: MachtigingIdInPath,
    visitor: Citizen,
    session: Transaction,
    gedaan: str | None = None,
) -> HTMLResponse:
    """Show what was agreed, its state and the apps under it. Raises NotFound `machtiging_onbekend`."""
    authority, card = await _load_card(request, session, visitor)
    return await _render_agreement(request, session, visitor, authority, card, gedaan=gedaan)


@router.get("/ik-help/{machtigingId}/overzicht.pdf")
@router.get("/werk/clienten/{machtigingId}/overzicht.pdf")
async def download_summary(
    request: Request, machtiging_id: MachtigingIdInPath, visitor: Citizen, session: Transaction
) -> Response:
    """Send a PDF summary of the machtiging. Raises NotFound `machtiging_onbekend`."""
    _authority, card = await _load_card(request, session, visitor)
    await session.commit()
    return await answer_with_summary(card, visitor, access_services(request).clock.now())


@router.get("/ik-help/{machtigingId}/teruggeven")
@router.get("/werk/clienten/{machtigingId}/teruggeven")
@reserve_connection
async def show_give_back_question(
    request: Request, machtiging_id: MachtigingIdInPath, visitor: Citizen, session: Transaction
) -> HTMLResponse:
    """Ask whether to stop helping. Only while it can be given back."""
    authority, card = await _load_card(request, session, visitor)
    if MachtigingAction.GIVE_BACK not in card.actions:
        return await _render_agreement(request, session, visitor, authority, card)
    return render_page(request, "helping_give_back.html", card=card, box=box_path(request, card.id))


@router.post("/ik-help/{machtigingId}/teruggeven")
@router.post("/werk/clienten/{machtigingId}/teruggeven")
@reserve_connection
async def submit_give_back(
    request: Request, machtiging_id: MachtigingIdInPath, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """End the machtiging by the helper, with the app consents under it. A second click is told kindly."""
    services, at = oauth_services(request), access_services(request).clock.now()
    authority, _card = await _load_card(request, session, visitor)
    try:
        ended = await termination.give_back_machtiging(session, authority.machtiging_id, visitor.person_id, at=at)
    except Conflict as refusal:  # caught here, so that the journal line is committed
        authority, card = await _load_card(request, session, visitor)
        if views.find_confirmation(CompletedAction.GIVEN_BACK, card) is None:
            note = describe_refusal(refusal)
            return await _render_agreement(request, session, visitor, authority, card, note=note)
    else:
        by_helper = GrantEnding(MachtigingAction.GIVE_BACK.value, visitor.person_id, ended.capacity)
        await end_grants_of_machtiging(session, services.details_handler, ended.id, by_helper, at=at)
    return RedirectResponse(f"/ik-help/{authority.machtiging_id}?gedaan={CompletedAction.GIVEN_BACK}", 303)


async def _load_card(request: Request, session: AsyncSession, visitor: Visitor) -> tuple[Authority, MachtigingCard]:
    """Load what the visitor holds. Raises NotFound `machtiging_onbekend`, the same for every other id."""
    services, addressed = access_services(request), read_addressed_machtiging(request)
    at = services.clock.now()
    found = None if addressed is None else await load_authority(session, MachtigingId(addressed), at=at)
    if found is None or found.holder_refusal(visitor.person_id, visitor.organisation_kvk) == NOT_THE_HOLDER:
        raise NotFound("machtiging_onbekend")
    people, names = views.PersonNames(session, services.keyring), await views.load_agency_names(session)
    return found, await views.build_machtiging_card(found, visitor, people, names, at)


async def _render_agreement(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    authority: Authority,
    card: MachtigingCard,
    *,
    gedaan: str | None = None,
    note: str | None = None,
) -> HTMLResponse:
    services = oauth_services(request)
    at = services.clock.now()
    consents = await list_consents(session, services.details_handler, visitor.person_id, at=at)
    apps = [one for one in consents if one.person_id == visitor.person_id and _is_under(one.representation, authority)]
    message = views.find_confirmation(gedaan, card)
    is_accepted = message is not None and gedaan == CompletedAction.ACCEPTED
    values = {"card": card, "apps": apps, "message": message, "is_accepted": is_accepted, "note": note}
    return render_page(
        request, "helping_agreement.html", status=409 if note else 200, actions=MachtigingAction, **values
    )


def _is_under(representation: object, authority: Authority) -> bool:
    return isinstance(representation, Authority) and representation.machtiging_id == authority.machtiging_id
