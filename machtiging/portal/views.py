"""What the pages about machtigingen show: agreements in words, people by name, and which buttons make sense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.queries import all_agencies
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.queries import OpenCode, machtiging_of, open_code
from machtiging.delegation.rules import (
    TRANSITIONS,
    Capacity,
    Deed,
    EndReason,
    Machtiging,
    Party,
    Scope,
    Standing,
    State,
    organisation_matches,
    standing,
)
from machtiging.identity.people import profile_of
from machtiging.identity.session import Visitor
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.kernel.period import Period
from machtiging.portal import words

NOBODY_YET = "nog niemand"
_NAMELESS = "iemand van wie wij de naam niet weten"
_GONE = "een organisatie die niet meer meedoet"


@dataclass(frozen=True, slots=True)
class Agreement:
    """What is agreed, in words. `senders` and `themes` are None when there is no such limit."""

    purpose: str
    capacity: str
    senders: list[str] | None
    diensten: list[str] | None
    themes: list[str] | None
    excluded: list[str]
    sensitivity: str
    letters_from: date
    acts: list[str]
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Card:
    """One machtiging as its giver or its helper sees it. `kvk` is the organisation for which the helper helps.

    `usable_here` is False for a helper who is logged in for another organisation (or for none): the page then tells
    neither whose post it is nor what was agreed.
    """

    id: UUID
    given: bool
    other: str
    kvk: str | None
    standing: Standing
    standing_word: str
    agreement: Agreement
    offered_at: datetime
    accepted_at: datetime | None
    ended_at: datetime | None
    deeds: frozenset[Deed]
    usable_here: bool = True


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Names of agencies by OIN, and of diensten by "oin/code"."""

    agencies: Mapping[str, str]
    diensten: Mapping[str, str]

    def sender(self, oin: str) -> str:
        """The name of an agency, whether it still takes part or not."""
        return self.agencies.get(oin, _GONE)


async def catalogue(session: AsyncSession) -> Catalogue:
    """All names in one go, for a page."""
    agencies = await all_agencies(session)
    diensten = {dienst.key: dienst.name for agency in agencies for dienst in agency.diensten}
    return Catalogue({agency.oin: agency.name for agency in agencies}, diensten)


def agreement(capacity: Capacity, purpose: str, scope: Scope, period: Period, names: Catalogue) -> Agreement:
    """An agreement in words."""
    return Agreement(
        purpose=purpose,
        capacity=words.CAPACITY[capacity],
        senders=None if scope.afzenders is None else sorted(map(names.sender, scope.afzenders)),
        diensten=None if scope.diensten is None else sorted(names.diensten.get(key, _GONE) for key in scope.diensten),
        themes=None if scope.themes is None else words.themes(scope.themes),
        excluded=words.themes(scope.excluded_themes),
        sensitivity=words.SENSITIVITY[scope.highest_sensitivity],
        letters_from=scope.letters_from,
        acts=words.acts(scope.acts),
        starts_at=period.starts_at,
        ends_at=period.ends_at,
    )


def agreed(machtiging: Machtiging, names: Catalogue) -> Agreement:
    """What is agreed in this machtiging, in words."""
    return agreement(machtiging.capacity, machtiging.purpose, machtiging.scope, machtiging.period, names)


def deeds(machtiging: Machtiging, party: Party, at: datetime) -> frozenset[Deed]:
    """What this party can do with it now: the lines of the transition table, and nothing once the period is over."""
    if standing(machtiging, at) is Standing.EXPIRED:
        return frozenset()
    return frozenset(
        deed for (state, deed), step in TRANSITIONS.items() if state is machtiging.state and step.by is party
    )


async def code_to_renew(
    session: AsyncSession, machtiging_id: MachtigingId, giver_id: PersonId, at: datetime
) -> OpenCode | None:
    """The code that she can replace now: that of her own offer, still open and not over. Else None."""
    found = await machtiging_of(session, machtiging_id, giver_id)
    if found is None or found.vertegenwoordigde_id != giver_id or at >= found.period.ends_at:
        return None
    return await open_code(session, machtiging_id) if found.state is State.OFFERED else None


# What must be so for the message after a deed to be true: whose side looks, and how the machtiging stands.
_TRUE_WHEN: dict[words.Done, tuple[bool, frozenset[str]]] = {
    words.Done.ACCEPTED: (False, frozenset({words.STANDING[Standing.IN_FORCE], words.STANDING[Standing.NOT_BEGUN]})),
    words.Done.WITHDRAWN: (True, frozenset({words.ENDED[EndReason.WITHDRAWN]})),
    words.Done.PAUSED: (True, frozenset({words.STANDING[Standing.PAUSED]})),
    words.Done.RESUMED: (True, frozenset({words.STANDING[Standing.IN_FORCE], words.STANDING[Standing.NOT_BEGUN]})),
    words.Done.GIVEN_BACK: (False, frozenset({words.ENDED[EndReason.GIVEN_BACK]})),
}


def confirmed(gedaan: str | None, card: Card) -> str | None:
    """The message for a deed that the address names, as long as the machtiging still stands as it says."""
    if gedaan not in _TRUE_WHEN:
        return None
    given, standings = _TRUE_WHEN[words.Done(gedaan)]
    return words.done(gedaan) if card.given is given and card.standing_word in standings else None


class Names:
    """Names of people, each looked up once per page."""

    def __init__(self, session: AsyncSession, keyring: KeyRing) -> None:
        self._session = session
        self._keyring = keyring
        self._known: dict[PersonId, str] = {}

    async def of(self, person_id: PersonId) -> str:
        """The name of a person as the login told it."""
        if person_id not in self._known:
            profile = await profile_of(self._session, self._keyring, person_id)
            self._known[person_id] = profile.name if profile and profile.name else _NAMELESS
        return self._known[person_id]


async def card(machtiging: Machtiging, viewer: Visitor, people: Names, names: Catalogue, at: datetime) -> Card:
    """A machtiging for the one of its two parties who looks."""
    given = machtiging.vertegenwoordigde_id == viewer.person_id
    other_id = machtiging.gemachtigde_id if given else machtiging.vertegenwoordigde_id
    now = standing(machtiging, at)
    return Card(
        id=machtiging.id,
        given=given,
        other=NOBODY_YET if other_id is None else await people.of(other_id),
        kvk=machtiging.gemachtigde_kvk,
        standing=now,
        standing_word=words.ENDED[machtiging.end_reason] if machtiging.end_reason else words.STANDING[now],
        agreement=agreed(machtiging, names),
        offered_at=machtiging.offered_at,
        accepted_at=machtiging.accepted_at,
        ended_at=machtiging.ended_at,
        deeds=deeds(machtiging, Party.GIVER if given else Party.HELPER, at),
        usable_here=given or organisation_matches(machtiging, viewer.organisation_kvk),
    )
