"""Rules of representation by law or court: kinds, events, ages and their order. Pure.

Sources: BW 1:233 (majority at eighteen), 1:381, 1:441, 1:453, 1:245, 2:130 and 2:240 (who represents), 7:447 and 7:450
(a child decides about care).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from machtiging.agencies.rules import Theme
from machtiging.delegation.rules import Capacity
from machtiging.kernel.birth_date import BirthDate
from machtiging.kernel.clock import UNTIL_REGISTER, WITHOUT_END, add_years, end_of_day, to_dutch_date
from machtiging.kernel.errors import Conflict, InvalidInput
from machtiging.kernel.ids import PersonId

# A later event of the same person waits at most this long for the ones before it.
MAX_WAIT = timedelta(hours=1)
MAX_DAYS_AHEAD = 31
MAJORITY_AGE, CARE_ALONE_AGE, CARE_TOGETHER_AGE = 18, 16, 12


class StatutoryKind(StrEnum):
    """The kind of a statutory relation, as on the wire."""

    CURATELE = "curatele"
    BEWIND = "bewind"
    MENTORSCHAP = "mentorschap"
    PARENTAL_AUTHORITY = "ouderlijk_gezag"
    DIRECTOR = "bestuurder"


class EventType(StrEnum):
    """The change that an event reports."""

    BEGIN = "begin"
    CHANGE = "wijziging"
    END = "einde"


class EventOutcome(StrEnum):
    """The outcome of a received event. Only WAITING can still change.

    SUPERSEDED: it came after a later change of the same relation, and changes nothing.
    """

    APPLIED = "verwerkt"
    WAITING = "wacht"
    SUPERSEDED = "achterhaald"
    REFUSED = "geweigerd"


CAPACITY_BY_KIND = {
    StatutoryKind.CURATELE: Capacity.CURATOR,
    StatutoryKind.BEWIND: Capacity.BEWINDVOERDER,
    StatutoryKind.MENTORSCHAP: Capacity.MENTOR,
    StatutoryKind.PARENTAL_AUTHORITY: Capacity.PARENT,
    StatutoryKind.DIRECTOR: Capacity.DIRECTOR,
}
LEGAL_GROUND_BY_KIND = {
    StatutoryKind.CURATELE: "BW 1:381",
    StatutoryKind.BEWIND: "BW 1:441",
    StatutoryKind.MENTORSCHAP: "BW 1:453",
    StatutoryKind.PARENTAL_AUTHORITY: "BW 1:245",
    StatutoryKind.DIRECTOR: "BW 2:130 of 2:240",
}


@dataclass(frozen=True, slots=True)
class RegisterEvent:
    """One event of a register about one represented party, with its parties resolved.

    `source` is the OIN of the register. `sequence_number` counts from 1 per source and represented person; None if the
    register does not count. `effective_on` is the first day of the new state, `ends_on` the last day of a temporary
    measure. `born_on` is the earliest day that the birth date allows. `body_hash` tells whether a repeated id has the
    same body.
    """

    source: str
    source_event_id: str
    sequence_number: int | None
    type: EventType
    kind: StatutoryKind
    relation_reference: str
    vertegenwoordigde_id: PersonId
    vertegenwoordiger_id: UUID | None
    is_organisation: bool
    effective_on: date
    ends_on: date | None
    themes: frozenset[Theme] | None
    evidence_reference: str
    registered_on: date
    born_on: date | None
    body_hash: bytes


class Position(StrEnum):
    """The place of an event in the order of its person."""

    NEXT = "next"
    AHEAD = "ahead"
    LATE = "late"


def find_position(sequence_number: int | None, last_number: int) -> Position:
    """Return the place of a number after the last one that was applied in order. Without a number it is the next."""
    if sequence_number is None or sequence_number == last_number + 1:
        return Position.NEXT
    return Position.AHEAD if sequence_number > last_number else Position.LATE


def find_earliest_birth_date(born: BirthDate) -> date:
    """Return the earliest day that a birth date allows.

    So authority over a child ends no day too late. Raises InvalidInput `geboortejaar_onbekend` if not even the year is
    known.
    """
    if born.year is None:
        raise InvalidInput("geboortejaar_onbekend")
    month = born.month or 1
    return date(born.year, month, born.day or 1)


def start_of_day(day: date) -> datetime:
    """Return the instant at which this day begins in the Netherlands."""
    return end_of_day(day - timedelta(days=1))


def majority_at(born_on: date) -> datetime:
    """Return the instant of the eighteenth birthday (BW 1:233)."""
    return start_of_day(add_years(born_on, MAJORITY_AGE))


def resolve_parent_capacity(born_on: date | None, at: datetime) -> Capacity:
    """Return the capacity of a parent for a child of this age. An unknown age protects as sixteen does."""
    today = to_dutch_date(at)
    if born_on is None or today >= add_years(born_on, CARE_ALONE_AGE):
        return Capacity.PARENT_FROM_16
    return Capacity.PARENT_FROM_12 if today >= add_years(born_on, CARE_TOGETHER_AGE) else Capacity.PARENT


def resolve_end(event: RegisterEvent) -> datetime:
    """Return the end of what a begin or change gives.

    That is the end of its last day, or the eighteenth birthday if that is sooner. Raises InvalidInput
    `geboortedatum_ontbreekt`.
    """
    without_end = UNTIL_REGISTER if event.kind is StatutoryKind.DIRECTOR else WITHOUT_END
    end = without_end if event.ends_on is None else end_of_day(event.ends_on)
    if event.kind is not StatutoryKind.PARENTAL_AUTHORITY:
        return end
    if event.born_on is None:
        raise InvalidInput("geboortedatum_ontbreekt")
    return min(end, majority_at(event.born_on))


def require_possible_giving_event(event: RegisterEvent, at: datetime) -> None:
    """Require that a begin or change names a possible representative and period.

    Raises InvalidInput `vertegenwoordiger_ontbreekt`, `ouder_is_persoon`, `bestuurder_is_persoon`,
    `eigen_vertegenwoordiger`, `einde_voor_begin` or as `resolve_end`, Conflict `ingang_te_ver` or `al_meerderjarig`.
    """
    if event.vertegenwoordiger_id is None:
        raise InvalidInput("vertegenwoordiger_ontbreekt")
    if event.vertegenwoordiger_id == event.vertegenwoordigde_id:
        raise InvalidInput("eigen_vertegenwoordiger")
    if event.kind is StatutoryKind.PARENTAL_AUTHORITY and event.is_organisation:
        raise InvalidInput("ouder_is_persoon")
    if event.kind is StatutoryKind.DIRECTOR and event.is_organisation:
        raise InvalidInput("bestuurder_is_persoon")
    if event.ends_on is not None and event.ends_on < event.effective_on:
        raise InvalidInput("einde_voor_begin")
    if event.effective_on > to_dutch_date(at) + timedelta(days=MAX_DAYS_AHEAD):
        raise Conflict("ingang_te_ver")
    if resolve_end(event) <= start_of_day(event.effective_on):
        raise Conflict("al_meerderjarig")
