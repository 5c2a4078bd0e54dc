"""View models for pages about machtigingen: agreements in words, names, available actions."""

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
    """The terms of a machtiging in words. `senders` and `themes` are None without such a limit."""

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
    """One machtiging as shown to its giver or helper. `kvk`: the organisation of the helper.

    `usable_here` is False for a helper logged in for another organisation (or for none): the page then shows neither
    the giver nor the terms.
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
        """Return the name of an agency, also of one no longer in the service."""
        return self.agencies.get(oin, _GONE)


async def catalogue(session: AsyncSession) -> Catalogue:
    """Load all agency and dienst names for a page."""
    agencies = await all_agencies(session)
    diensten = {dienst.key: dienst.name for agency in agencies for dienst in agency.diensten}
    return Catalogue({agency.oin: agency.name for agency in agencies}, diensten)


def agreement(capacity: Capacity, purpose: str, scope: Scope, period: Period, names: Catalogue) -> Agreement:
    """Describe terms in words."""
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
    """Describe the terms of this machtiging in words."""
    return agreement(machtiging.capacity, machtiging.purpose, machtiging.scope, machtiging.period, names)


def deeds(machtiging: Machtiging, party: Party, at: datetime) -> frozenset[Deed]:
    """Return the actions that this party can take now, by the transition table.

    None once the period is over.
    """
    if standing(machtiging, at) is Standing.EXPIRED:
        return frozenset()
    return frozenset(
        deed for (state, deed), step in TRANSITIONS.items() if state is machtiging.state and step.by is party
    )


async def code_to_renew(
    session: AsyncSession, machtiging_id: MachtigingId, giver_id: PersonId, at: datetime
) -> OpenCode | None:
    """Return the open code of the giver's own offer, if replaceable now; else None."""
    found = await machtiging_of(session, machtiging_id, giver_id)
    if found is None or found.vertegenwoordigde_id != giver_id or at >= found.period.ends_at:
        return None
    return await open_code(session, machtiging_id) if found.state is State.OFFERED else None


# Conditions for the message after an action: the viewer is the giver or not, and the standing.
_TRUE_WHEN: dict[words.Done, tuple[bool, frozenset[str]]] = {
    words.Done.ACCEPTED: (False, frozenset({words.STANDING[Standing.IN_FORCE], words.STANDING[Standing.NOT_BEGUN]})),
    words.Done.WITHDRAWN: (True, frozenset({words.ENDED[EndReason.WITHDRAWN]})),
    words.Done.PAUSED: (True, frozenset({words.STANDING[Standing.PAUSED]})),
    words.Done.RESUMED: (True, frozenset({words.STANDING[Standing.IN_FORCE], words.STANDING[Standing.NOT_BEGUN]})),
    words.Done.GIVEN_BACK: (False, frozenset({words.ENDED[EndReason.GIVEN_BACK]})),
}


def confirmed(gedaan: str | None, card: Card) -> str | None:
    """Return the message for the action in the URL, if it is still true."""
    if gedaan not in _TRUE_WHEN:
        return None
    given, standings = _TRUE_WHEN[words.Done(gedaan)]
    return words.done(gedaan) if card.given is given and card.standing_word in standings else None


class Names:
    """Names of people, each loaded once per page."""

    def __init__(self, session: AsyncSession, keyring: KeyRing) -> None:
        self._session = session
        self._keyring = keyring
        self._known: dict[PersonId, str] = {}

    async def of(self, person_id: PersonId) -> str:
        """Return the name of a person as given by the login."""
        if person_id not in self._known:
            profile = await profile_of(self._session, self._keyring, person_id)
            self._known[person_id] = profile.name if profile and profile.name else _NAMELESS
        return self._known[person_id]


async def card(machtiging: Machtiging, viewer: Visitor, people: Names, names: Catalogue, at: datetime) -> Card:
    """Build the card of a machtiging for one of its two parties."""
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
