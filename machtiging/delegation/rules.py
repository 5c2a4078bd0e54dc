"""The rules of a machtiging: states, transitions, scope and effective state. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.clock import add_years, to_dutch_date
from machtiging.kernel.errors import Conflict, NotAllowed
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.kernel.period import Period

_T = TypeVar("_T")


class Capacity(StrEnum):
    """The capacity in which a person uses a box. A citizen may choose relative or professional."""

    SELF = "self"
    RELATIVE = "relative"
    PROFESSIONAL = "professional"
    CURATOR = "curator"
    BEWINDVOERDER = "bewindvoerder"
    MENTOR = "mentor"
    PARENT = "parent"
    DIRECTOR = "bestuurder"
    # Only the policy knows these two: the capacity of a parent follows from the age of the child at every access.
    PARENT_FROM_12 = "parent_12"
    PARENT_FROM_16 = "parent_16"


class Act(StrEnum):
    """An act on post. MARK and DELETE are the citizen's alone: no machtiging can give them."""

    LIST = "lijst"
    READ = "lezen"
    DOWNLOAD = "downloaden"
    MARK = "markeren"
    DELETE = "verwijderen"


GRANTABLE_ACTS = frozenset({Act.LIST, Act.READ, Act.DOWNLOAD})
# The reason code of every change by a party of what a register told.
FROM_REGISTER = "machtiging_uit_register"
# Reason codes: another gemachtigde, or acceptance for another organisation (or for none).
NOT_THE_HOLDER, OTHER_ORGANISATION = "machtiging_niet_van_u", "andere_organisatie"
NOT_USABLE = "machtiging_geldt_niet"
SELECTABLE_CAPACITIES = frozenset({Capacity.RELATIVE, Capacity.PROFESSIONAL})
# DOWNLOAD requires READ, and READ requires LIST.
_PREREQUISITE_ACTS = {Act.DOWNLOAD: frozenset({Act.READ, Act.LIST}), Act.READ: frozenset({Act.LIST})}


class MachtigingState(StrEnum):
    """The stored state of a machtiging."""

    OFFERED = "offered"
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


class EndReason(StrEnum):
    """The reason of an end. Expiry has none: `EffectiveState.EXPIRED` follows from the period."""

    WITHDRAWN = "ingetrokken"
    GIVEN_BACK = "teruggegeven"
    REFUSED = "geweigerd"
    SUPERSEDED = "maatregel"
    REGISTER = "register"
    ORGANISATION = "organisatie"


# The reason code of everything that the emergency stop of the giver refuses.
EMERGENCY_STOP = "noodstop"


class MachtigingAction(StrEnum):
    """An action on a machtiging that changes its state."""

    ACCEPT = "aannemen"
    REFUSE = "weigeren"
    PAUSE = "pauzeren"
    RESUME = "hervatten"
    WITHDRAW = "intrekken"
    GIVE_BACK = "teruggeven"


class MachtigingRole(StrEnum):
    """The role of an actor: giver, gemachtigde, or holder of an offer's code."""

    GIVER = "vertegenwoordigde"
    HELPER = "gemachtigde"
    CODE_HOLDER = "houder van de code"
    REGISTER = "register"
    SERVICE = "de dienst"


@dataclass(frozen=True, slots=True)
class MachtigingTransition:
    """One transition: the role that may do it, the new state and the end reason."""

    role: MachtigingRole
    target_state: MachtigingState
    end_reason: EndReason | None = None


# The complete life cycle. Any other transition is a Conflict; ENDED is final.
TRANSITIONS: dict[tuple[MachtigingState, MachtigingAction], MachtigingTransition] = {
    (MachtigingState.OFFERED, MachtigingAction.ACCEPT): MachtigingTransition(
        MachtigingRole.CODE_HOLDER, MachtigingState.ACTIVE
    ),
    (MachtigingState.OFFERED, MachtigingAction.REFUSE): MachtigingTransition(
        MachtigingRole.CODE_HOLDER, MachtigingState.ENDED, EndReason.REFUSED
    ),
    (MachtigingState.OFFERED, MachtigingAction.WITHDRAW): MachtigingTransition(
        MachtigingRole.GIVER, MachtigingState.ENDED, EndReason.WITHDRAWN
    ),
    (MachtigingState.ACTIVE, MachtigingAction.PAUSE): MachtigingTransition(
        MachtigingRole.GIVER, MachtigingState.PAUSED
    ),
    (MachtigingState.ACTIVE, MachtigingAction.WITHDRAW): MachtigingTransition(
        MachtigingRole.GIVER, MachtigingState.ENDED, EndReason.WITHDRAWN
    ),
    (MachtigingState.ACTIVE, MachtigingAction.GIVE_BACK): MachtigingTransition(
        MachtigingRole.HELPER, MachtigingState.ENDED, EndReason.GIVEN_BACK
    ),
    (MachtigingState.PAUSED, MachtigingAction.RESUME): MachtigingTransition(
        MachtigingRole.GIVER, MachtigingState.ACTIVE
    ),
    (MachtigingState.PAUSED, MachtigingAction.WITHDRAW): MachtigingTransition(
        MachtigingRole.GIVER, MachtigingState.ENDED, EndReason.WITHDRAWN
    ),
    (MachtigingState.PAUSED, MachtigingAction.GIVE_BACK): MachtigingTransition(
        MachtigingRole.HELPER, MachtigingState.ENDED, EndReason.GIVEN_BACK
    ),
}


class EffectiveState(StrEnum):
    """The state of a machtiging at one instant, period included. Only IN_FORCE grants access."""

    IN_FORCE = "in_force"
    STOPPED = "stopped"
    NOT_ACCEPTED = "not_accepted"
    NOT_BEGUN = "not_begun"
    PAUSED = "paused"
    ENDED = "ended"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class MachtigingScope:
    """The scope of a machtiging. None means no limit. All limits apply together.

    A dienst is written "oin/code".
    """

    afzenders: frozenset[str] | None
    diensten: frozenset[str] | None
    themes: frozenset[Theme] | None
    excluded_themes: frozenset[Theme]
    highest_sensitivity: Sensitivity
    letters_from: date
    acts: frozenset[Act]
    # The named letters, if the scope is limited to some.
    letters: frozenset[UUID] | None = None


class Channel(StrEnum):
    """The way in which an agreement was made."""

    ONLINE = "online"
    LETTER = "brief"
    COUNTER = "balie"
    TELEPHONE = "telefoon"
    REGISTER = "register"


# The highest level of assurance that a channel can give, whatever the login of giver and taker (Wdo art. 6).
CHANNEL_ASSURANCE: dict[Channel, Assurance] = {
    Channel.ONLINE: Assurance.HIGH,
    Channel.REGISTER: Assurance.HIGH,
    Channel.COUNTER: Assurance.SUBSTANTIAL,
    Channel.LETTER: Assurance.SUBSTANTIAL,
    Channel.TELEPHONE: Assurance.LOW,
}


@dataclass(frozen=True, slots=True)
class Machtiging:
    """One machtiging with its current state and its current agreement.

    `gemachtigde_id` is the person or organisation that holds it. A link under another one (an assignment) has an
    employee or a team instead. `assurance` is the level of the giver in the current agreement. `needs_confirmation`: a
    second person has not confirmed it yet. `stopped_at`: the giver's emergency stop is on since then.
    `represented_born_on`: under parental authority the earliest birth date of the child.
    `offered_to`: the one organisation that can accept it, without a code.
    """

    id: MachtigingId
    vertegenwoordigde_id: PersonId
    gemachtigde_id: PersonId | None
    parent_id: MachtigingId | None
    capacity: Capacity
    purpose: str
    legal_ground: str
    state: MachtigingState
    scope: MachtigingScope
    assurance: Assurance
    accepted_assurance: Assurance | None
    period: Period
    ended_at: datetime | None
    end_reason: EndReason | None
    offered_at: datetime
    accepted_at: datetime | None
    agreement_number: int = 1
    channel: Channel = Channel.ONLINE
    only_employee_id: UUID | None = None
    excluded_team_ids: frozenset[UUID] = frozenset()
    cooling_off_until: datetime | None = None
    needs_confirmation: bool = False
    employee_id: UUID | None = None
    team_id: UUID | None = None
    stand_in_id: UUID | None = None
    stopped_at: datetime | None = None
    offered_to: UUID | None = None
    represented_born_on: date | None = None

    @property
    def is_from_register(self) -> bool:
        """True if a register told it: neither party can change it."""
        return self.channel is Channel.REGISTER


@dataclass(frozen=True, slots=True)
class BerichtEnvelope:
    """The metadata of a bericht, readable without opening it."""

    afzender: str
    dienst: str
    theme: Theme
    sensitivity: Sensitivity
    published_at: datetime
    bericht_id: UUID | None = None

    @property
    def dienst_key(self) -> str:
        """The dienst as written in scopes: "oin/code"."""
        return f"{self.afzender}/{self.dienst}"


@dataclass(frozen=True, slots=True)
class MachtigingLimits:
    """The limits of this installation: the longest period and the lifetime of a code.

    Every 365 days of `maximum_duration` count as a calendar year, also across a 29 February.
    """

    maximum_duration: timedelta
    code_lifetime: timedelta

    @property
    def maximum_duration_text(self) -> str:
        """The longest period as Dutch text."""
        years, days = divmod(self.maximum_duration.days, 365)
        parts = [f"{years} jaar"] if years else []
        parts += [f"{days} {'dag' if days == 1 else 'dagen'}"] if days else []
        return " en ".join(parts)

    def latest_end_date(self, first_day: date) -> date:
        """Return the latest end date of a machtiging that begins on `first_day`."""
        years, days = divmod(self.maximum_duration.days, 365)
        return add_years(first_day, years) + timedelta(days=days)


def resolve_transition(machtiging: Machtiging, action: MachtigingAction, at: datetime) -> MachtigingTransition:
    """Return the transition for this action. After the period, or in an emergency stop, only an end is possible.

    Raises Conflict `machtiging_beeindigd`, `machtiging_verlopen`, `noodstop`, `machtiging_uit_register` or
    `machtiging_kan_dit_niet`.
    """
    if machtiging.state is MachtigingState.ENDED:
        raise Conflict("machtiging_beeindigd")
    if machtiging.is_from_register:
        raise Conflict(FROM_REGISTER)
    found = TRANSITIONS.get((machtiging.state, action))
    if found is None:
        raise Conflict("machtiging_kan_dit_niet")
    if at >= machtiging.period.ends_at and found.target_state is not MachtigingState.ENDED:
        raise Conflict("machtiging_verlopen")
    if machtiging.stopped_at is not None and found.target_state is not MachtigingState.ENDED:
        raise Conflict(EMERGENCY_STOP)
    return found


def role_for_action(action: MachtigingAction) -> MachtigingRole:
    """Return the role that may do this action, the same in every state."""
    return next(line.role for (_, allowed_action), line in TRANSITIONS.items() if allowed_action is action)


def require_substantial_assurance(assurance: Assurance) -> None:
    """Require assurance substantial, to give or accept a machtiging.

    Raises NotAllowed `niveau_te_laag`.
    """
    if not assurance.is_at_least(Assurance.SUBSTANTIAL):
        raise NotAllowed("niveau_te_laag")


def effective_state(machtiging: Machtiging, at: datetime) -> EffectiveState:
    """Return the first that holds at `at`: ended, stopped, not accepted, expired, paused, not begun."""
    if machtiging.state is MachtigingState.ENDED:
        return EffectiveState.ENDED
    if machtiging.stopped_at is not None and at < machtiging.period.ends_at:
        return EffectiveState.STOPPED
    if machtiging.state is MachtigingState.OFFERED:
        return EffectiveState.NOT_ACCEPTED
    if at >= machtiging.period.ends_at:
        return EffectiveState.EXPIRED
    if machtiging.state is MachtigingState.PAUSED:
        return EffectiveState.PAUSED
    if machtiging.needs_confirmation:
        return EffectiveState.NOT_ACCEPTED
    if machtiging.cooling_off_until is not None and at < machtiging.cooling_off_until:
        return EffectiveState.NOT_BEGUN
    return EffectiveState.IN_FORCE if machtiging.period.contains(at) else EffectiveState.NOT_BEGUN


def scope_violation(scope: MachtigingScope, envelope: BerichtEnvelope) -> str | None:
    """Return the reason code if this bericht is outside the scope; None if inside."""
    if not _limit_admits(scope.afzenders, envelope.afzender):
        return "afzender_niet_afgesproken"
    if not _limit_admits(scope.diensten, envelope.dienst_key):
        return "dienst_niet_afgesproken"
    if envelope.theme in scope.excluded_themes:
        return "thema_uitgesloten"
    if not _limit_admits(scope.themes, envelope.theme):
        return "thema_niet_afgesproken"
    if not envelope.sensitivity.is_at_most(scope.highest_sensitivity):
        return "te_gevoelig"
    if to_dutch_date(envelope.published_at) < scope.letters_from:
        return "te_oud"
    if not _limit_admits(scope.letters, envelope.bericht_id):
        return "brief_niet_afgesproken"
    return None


def _limit_admits(limit: frozenset[_T] | None, value: _T) -> bool:
    return limit is None or value in limit


def find_missing_acts(acts: frozenset[Act]) -> frozenset[Act]:
    """Return the prerequisite acts that are absent: DOWNLOAD needs READ, READ needs LIST."""
    needed: frozenset[Act] = frozenset().union(*(_PREREQUISITE_ACTS.get(act, frozenset()) for act in acts))
    return needed - acts
