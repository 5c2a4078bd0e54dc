"""The page of one machtiging that the citizen gave, as it stands now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.berichtenbox.queries import find_own_berichten
from machtiging.delegation.authority.holders import load_descendant_ids
from machtiging.delegation.authority.reading_activity import ReadingLine, load_reading_lines
from machtiging.delegation.directed_offers.queries import OFFER_LIFETIME
from machtiging.delegation.renewals.queries import load_last_question
from machtiging.delegation.rules import EffectiveState, MachtigingAction
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import Conflict
from machtiging.kernel.ids import MachtigingId
from machtiging.message_catalogue import describe_refusal, get_sentence
from machtiging.organisations.queries import load_organisation_names
from machtiging.portal import labels, views
from machtiging.portal.apps import load_app_cards
from machtiging.portal.gemachtigden.cards import build_helper_card, load_given_card
from machtiging.portal.labels import CompletedAction
from machtiging.portal.machtiging_summary import answer_with_summary
from machtiging.portal.views import MachtigingCard
from machtiging.storage.reserved_connections import reserve_connection
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
LINES_SHOWN = 10
_CHANGEABLE = frozenset(
    {EffectiveState.IN_FORCE, EffectiveState.NOT_BEGUN, EffectiveState.PAUSED, EffectiveState.NOT_ACCEPTED}
)


@dataclass(frozen=True, slots=True)
class ReadingView:
    """One line of what a helper did, in words."""

    at: datetime
    who: str
    what: str
    is_refused: bool


@dataclass(frozen=True, slots=True)
class OfferedToView:
    """The organisation that was asked to help, and until when it can accept."""

    name: str
    until: datetime
    is_open: bool


def can_change(card: MachtigingCard) -> bool:
    """Return True if the giver can narrow what is agreed."""
    return card.standing in _CHANGEABLE and not card.is_hidden and not card.is_from_register


def can_extend(card: MachtigingCard) -> bool:
    """Return True if the giver can let it run longer."""
    return can_change(card) and card.accepted_at is not None


def can_choose_reader(card: MachtigingCard) -> bool:
    """Return True if the giver can choose who of the organisation may read."""
    return can_extend(card) and card.kvk is not None


@router.get("/helpers/{machtiging_id}")
@reserve_connection
async def show_helper(
    request: Request, machtiging_id: UUID, visitor: Citizen, session: Transaction, gedaan: str | None = None
) -> HTMLResponse:
    """Show one machtiging. Raises NotFound `machtiging_onbekend` if the visitor did not give it."""
    card = await load_given_card(request, session, visitor, MachtigingId(machtiging_id))
    return await render_helper(request, session, visitor, card, message=views.find_confirmation(gedaan, card))


@router.get("/helpers/{machtiging_id}/overzicht.pdf")
async def download_summary(request: Request, machtiging_id: UUID, visitor: Citizen, session: Transaction) -> Response:
    """Send a PDF summary. Raises NotFound `machtiging_onbekend` if the visitor did not give it."""
    card = await load_given_card(request, session, visitor, MachtigingId(machtiging_id))
    await session.commit()
    return await answer_with_summary(card, visitor, access_services(request).clock.now())


async def render_helper(
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
    ids = [card.id, *await load_descendant_ids(session, MachtigingId(card.id))]
    apps = [one for one in await load_app_cards(request, session, visitor) if one.root_id == card.id and one.helper]
    lines = await load_reading_lines(session, visitor.person_id, ids, limit=LINES_SHOWN)
    question = None
    if card.kvk is not None:
        question = await load_last_question(session, MachtigingId(card.id), visitor.person_id)
    return render_page(
        request,
        "helpers_detail.html",
        status=409 if note else 200,
        helper=build_helper_card(card, at),
        card=card,
        actions=MachtigingAction,
        can_change=can_change(card),
        can_extend=can_extend(card),
        can_choose_reader=can_choose_reader(card),
        renewal=None if question is None else question.state_at(at),
        message=message,
        note=note,
        code=code,
        offered_to=await _load_offered_to(session, card, at),
        works=code is not None and code.is_redeemable_at(at) and card.standing is not EffectiveState.STOPPED,
        apps=apps,
        lines=await _describe_lines(request, session, visitor, lines),
    )


async def _load_offered_to(session: AsyncSession, card: MachtigingCard, at: datetime) -> OfferedToView | None:
    """Load the organisation that is asked; None for a code, and after an answer."""
    if card.offered_to is None or card.accepted_at is not None or card.standing is EffectiveState.ENDED:
        return None
    until = min(card.offered_at + OFFER_LIFETIME, card.agreement.ends_at)
    names = await load_organisation_names(session, [card.offered_to])
    return OfferedToView(names.get(card.offered_to, ""), until, is_open=at < until)


async def _describe_lines(
    request: Request, session: AsyncSession, visitor: Visitor, lines: Sequence[ReadingLine]
) -> list[ReadingView]:
    people = views.PersonNames(session, access_services(request).keyring)
    ids = {found for line in lines if (found := _parse_id(line.object_id)) is not None}
    letters = await find_own_berichten(session, visitor.person_id, ids)
    names = await views.load_agency_names(session)
    shown = []
    for line in lines:
        letter = letters.get(str(_parse_id(line.object_id)))
        sender = names.agency_name(letter.afzender) if letter else None
        who = get_sentence("helpers.lines.somebody") if line.actor_id is None else await people.load_name(line.actor_id)
        what = labels.describe_act(line.act, refused=line.is_refused, sender=sender)
        shown.append(ReadingView(line.occurred_at, who, what, line.is_refused))
    return shown


def _parse_id(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def redirect_to_helper(machtiging_id: UUID, action: CompletedAction) -> RedirectResponse:
    """Redirect to the page of the machtiging after an action."""
    return RedirectResponse(f"/helpers/{machtiging_id}?gedaan={action}", 303)


async def show_current_state(
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
    card = await load_given_card(request, session, visitor, MachtigingId(machtiging_id))
    if views.find_confirmation(action, card) is not None:
        return redirect_to_helper(machtiging_id, action)
    return await render_helper(request, session, visitor, card, note=describe_refusal(refusal))
