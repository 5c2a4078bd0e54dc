"""View models of the pages about helpers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.dependencies import access_services
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.authority.reading_activity import ReadingCount
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import EffectiveState, EndReason
from machtiging.identity.session import Visitor
from machtiging.kernel.clock import last_day_before, to_dutch_date
from machtiging.kernel.errors import NotFound
from machtiging.kernel.ids import MachtigingId
from machtiging.message_catalogue import CatalogueLabels, get_sentence
from machtiging.portal import views
from machtiging.portal.views import MachtigingCard
from machtiging.web.pages import format_day

STATE_SENTENCES: Mapping[EffectiveState, str] = CatalogueLabels("helpers.state", EffectiveState)
ENDED_SENTENCES: Mapping[EndReason, str] = CatalogueLabels("helpers.ended", EndReason)
_NOT_NOW = "helpers.state.not_now"
_OVER = frozenset({EffectiveState.ENDED, EffectiveState.EXPIRED})


@dataclass(frozen=True, slots=True)
class HelperCard:
    """One machtiging that the visitor gave, in words.

    `days_left` of `days_total`: whole days, the last one counted. `reading`: what was read in the last week; None where
    that does not apply.
    """

    card: MachtigingCard
    tone: str
    label: str
    sentence: str
    first_day: date
    last_day: date
    days_left: int
    days_total: int
    reading: str | None = None

    @property
    def has_ended(self) -> bool:
        """True once it ended or its period is over."""
        return self.card.standing in _OVER

    @property
    def is_waiting(self) -> bool:
        """True while nobody has accepted it."""
        return self.card.accepted_at is None and not self.has_ended

    @property
    def title(self) -> str:
        """The helper; of an offer what it is for. Nothing of either for data that may not be shown."""
        if self.card.is_hidden:
            return get_sentence("helpers.list.hidden")
        if self.card.accepted_at is None:
            return get_sentence("helpers.list.offer", purpose=self.card.helper_name or self.card.agreement.purpose)
        return self.card.other


def build_helper_card(card: MachtigingCard, at: datetime, reading: ReadingCount | None = None) -> HelperCard:
    """Build the view of a machtiging, with what was read in the last week."""
    first_day, last_day = to_dutch_date(card.agreement.starts_at), last_day_before(card.agreement.ends_at)
    today = to_dutch_date(at)
    has_ended, total = card.standing in _OVER, (last_day - first_day).days + 1
    left = 0 if has_ended else min(total, max(0, (last_day - max(today, first_day)).days + 1))
    return HelperCard(
        card=card,
        tone=card.tone,
        label=card.standing_word,
        sentence=_describe_state(card, first_day) if card.is_unhindered else get_sentence(_NOT_NOW),
        first_day=first_day,
        last_day=last_day,
        days_left=left,
        days_total=total,
        reading=None if card.accepted_at is None else describe_reading(reading, today),
    )


def _describe_state(card: MachtigingCard, first_day: date) -> str:
    if card.standing is EffectiveState.NOT_BEGUN:
        return get_sentence("helpers.state.begins", day=format_day(first_day))
    if card.standing is EffectiveState.ENDED and card.ended_at is not None:
        ended = ENDED_SENTENCES[card.end_reason] if card.end_reason else card.standing_word
        return get_sentence("helpers.state.ended_on", what=ended, day=format_day(to_dutch_date(card.ended_at)))
    if card.standing is EffectiveState.NOT_ACCEPTED and card.offered_to is not None:
        return get_sentence("helpers.state.asked")
    return STATE_SENTENCES[card.standing]


def describe_reading(reading: ReadingCount | None, today: date) -> str:
    """Describe what was read in the last week, and when last."""
    if reading is None:
        return get_sentence("helpers.reading.nothing")
    days = (today - to_dutch_date(reading.last_read_at)).days
    when = ("helpers.reading.today", "helpers.reading.yesterday")
    last = get_sentence(when[days]) if days < len(when) else get_sentence("helpers.reading.days_ago", n=days)
    return get_sentence("helpers.reading.letters", n=reading.letters, last=last)


async def load_given_authority(
    request: Request, session: AsyncSession, visitor: Visitor, machtiging_id: MachtigingId
) -> Authority:
    """Load a machtiging that this visitor gave. Of an assignment under it: the machtiging itself.

    Raises NotFound `machtiging_onbekend` for any other.
    """
    at = access_services(request).clock.now()
    found = await load_authority(session, machtiging_id, at=at)
    if found is not None and found.vertegenwoordigde_id == visitor.person_id and len(found.links) > 1:
        found = await load_authority(session, found.root.id, at=at)
    if found is None or found.vertegenwoordigde_id != visitor.person_id:
        raise NotFound("machtiging_onbekend")
    return found


async def load_given_card(
    request: Request, session: AsyncSession, visitor: Visitor, machtiging_id: MachtigingId
) -> MachtigingCard:
    """Load the card of a machtiging that this visitor gave. Raises NotFound `machtiging_onbekend` for any other."""
    services = access_services(request)
    found = await load_given_authority(request, session, visitor, machtiging_id)
    people, names = views.PersonNames(session, services.keyring), await views.load_agency_names(session)
    return await views.build_machtiging_card(found, visitor, people, names, services.clock.now())
