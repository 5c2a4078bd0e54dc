"""Recognition, ceiling, roles and numbers of organisations. Pure: no I/O, no framework.

Sources: the numbers follow the Handelsregisterwet 2007 and OIN-stelsel 3.0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.bsn import passes_11_proef
from machtiging.kernel.errors import InvalidInput, LevelTooLow
from machtiging.kernel.ids import PersonId
from machtiging.kernel.oin import KvkNumber, Oin
from machtiging.kernel.text import require_plain_line

# A longer period than any machtiging may have (`MACHTIGING_MAXIMUM_DAYS`).
LONGEST_CEILING_DAYS = 1826
INVITATION_LIFETIME = timedelta(days=7)
_BRANCH_NUMBER_LENGTH = 12
_MAX_NAME_LENGTH, _MAX_GROUND_LENGTH, _MAX_REFERENCE_LENGTH = 200, 200, 100
MAX_EMPLOYEE_NAME_LENGTH, MAX_SUBJECT_LENGTH, MAX_TEAM_NAME_LENGTH = _MAX_NAME_LENGTH, 255, 100


class OrganisationKind(StrEnum):
    """The kind of an organisation. A closed list."""

    WELZIJN = "welzijn"
    SCHULDHULP = "schuldhulp"
    BEWIND = "bewind"
    ZORG = "zorg"
    VAKBOND = "vakbond"
    BELASTINGHULP = "belastinghulp"
    INFORMATIEPUNT = "informatiepunt"
    GEMEENTE = "gemeente"
    OVERHEID = "overheid"
    BEDRIJF = "bedrijf"


class RecognitionStatus(StrEnum):
    """The status of the recognition of an organisation."""

    REQUESTED = "aangevraagd"
    RECOGNISED = "erkend"
    SUSPENDED = "opgeschort"
    WITHDRAWN = "ingetrokken"
    REFUSED = "geweigerd"


_TRANSITIONS = frozenset(
    {
        (None, RecognitionStatus.REQUESTED),
        (RecognitionStatus.REQUESTED, RecognitionStatus.RECOGNISED),
        (RecognitionStatus.REQUESTED, RecognitionStatus.REFUSED),
        (RecognitionStatus.RECOGNISED, RecognitionStatus.SUSPENDED),
        (RecognitionStatus.SUSPENDED, RecognitionStatus.RECOGNISED),
        (RecognitionStatus.RECOGNISED, RecognitionStatus.WITHDRAWN),
        (RecognitionStatus.SUSPENDED, RecognitionStatus.WITHDRAWN),
    }
)


def may_follow(current: RecognitionStatus | None, following: RecognitionStatus) -> bool:
    """Return whether this status may follow the current one. Withdrawn and refused are final."""
    return (current, following) in _TRANSITIONS


class EmployeeRole(StrEnum):
    """A role of an employee in the own organisation. It is never a role of the login session."""

    ADMINISTRATOR = "organisatiebeheerder"
    TEAM_LEADER = "teamleider"
    CARE_WORKER = "hulpverlener"
    SUPERVISOR = "toezicht"
    COUNTER = "balie"
    TELEPHONE = "telefoon"
    VERIFIER = "controleur"


class EmployeeState(StrEnum):
    """The state of an employee. Departed is final: a return is a new row."""

    INVITED = "uitgenodigd"
    ACTIVE = "actief"
    SUSPENDED = "op_non_actief"
    DEPARTED = "vertrokken"


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that machtigingen to an organisation can hold. None means all; `days` is the longest period."""

    themes: frozenset[Theme] | None = None
    afzenders: frozenset[str] | None = None
    sensitivity: Sensitivity = Sensitivity.GEVOELIG
    days: int = 365
    minimum_level: Assurance = Assurance.SUBSTANTIAL

    def __post_init__(self) -> None:
        if not 1 <= self.days <= LONGEST_CEILING_DAYS:
            raise InvalidInput("plafond_duur_ongeldig", params={"days": LONGEST_CEILING_DAYS})
        for oin in self.afzenders or ():
            Oin(oin)

    def is_within(self, other: Ceiling) -> bool:
        """Return whether this ceiling allows nothing that the other does not."""
        return (
            _is_subset(self.themes, other.themes)
            and _is_subset(self.afzenders, other.afzenders)
            and self.sensitivity.is_at_most(other.sensitivity)
            and self.days <= other.days
            and self.minimum_level.is_at_least(other.minimum_level)
        )


def _is_subset(one: frozenset[str] | None, other: frozenset[str] | None) -> bool:
    return other is None or (one is not None and one <= other)


@dataclass(frozen=True, slots=True)
class OrganisationNumbers:
    """The numbers of an organisation, at least one. A vestiging belongs to a KvK number.

    Raises InvalidInput `nummer_ontbreekt`, `kvk_ongeldig`, `vestiging_ongeldig`, `rsin_ongeldig` or `oin_ongeldig`.
    """

    kvk: str | None = None
    vestiging: str | None = None
    rsin: str | None = None
    oin: str | None = None

    def __post_init__(self) -> None:
        if self.kvk is None and self.rsin is None and self.oin is None:
            raise InvalidInput("nummer_ontbreekt")
        if self.kvk is not None:
            KvkNumber(self.kvk)
        if self.vestiging is not None and not (self.kvk is not None and _is_branch_number(self.vestiging)):
            raise InvalidInput("vestiging_ongeldig")
        if self.rsin is not None and not passes_11_proef(self.rsin):
            raise InvalidInput("rsin_ongeldig")
        if self.oin is not None:
            Oin(self.oin)


class _Numbered(Protocol):
    """Anything with the numbers of an organisation."""

    @property
    def kvk(self) -> str | None: ...

    @property
    def vestiging(self) -> str | None: ...

    @property
    def rsin(self) -> str | None: ...

    @property
    def oin(self) -> str | None: ...


def describe_numbers(organisation: _Numbered) -> str:
    """Describe the numbers of an organisation in one line."""
    numbers = {
        "KvK": organisation.kvk,
        "vestiging": organisation.vestiging,
        "RSIN": organisation.rsin,
        "OIN": organisation.oin,
    }
    return " ".join(f"{label} {number}" for label, number in numbers.items() if number is not None)


def _is_branch_number(text: str) -> bool:
    return len(text) == _BRANCH_NUMBER_LENGTH and text.isascii() and text.isdigit()


@dataclass(frozen=True, slots=True)
class OrganisationRegistration:
    """A new organisation. Raises InvalidInput `naam_ongeldig`."""

    numbers: OrganisationNumbers
    name: str
    kind: OrganisationKind
    ceiling: Ceiling

    def __post_init__(self) -> None:
        require_organisation_name(self.name)


def require_organisation_name(name: str) -> None:
    """Require that the name of an organisation is one plain line. Raises InvalidInput `naam_ongeldig`."""
    _require_line(name, _MAX_NAME_LENGTH, "naam_ongeldig")


@dataclass(frozen=True, slots=True)
class RecognitionProposal:
    """A proposed status with its ground and the reference of the decision.

    Raises InvalidInput `grond_ongeldig` or `besluitkenmerk_ongeldig`.
    """

    status: RecognitionStatus
    ground: str
    decision_reference: str = ""

    def __post_init__(self) -> None:
        _require_line(self.ground, _MAX_GROUND_LENGTH, "grond_ongeldig")
        if self.decision_reference:
            _require_line(self.decision_reference, _MAX_REFERENCE_LENGTH, "besluitkenmerk_ongeldig")


@dataclass(frozen=True, slots=True)
class EmployeeInvitation:
    """An invited employee: the account at the login broker, the name and the roles.

    Raises InvalidInput `naam_ongeldig` or `inlogmiddel_ongeldig`.
    """

    broker_issuer: str
    broker_subject: str
    display_name: str
    roles: frozenset[EmployeeRole]

    def __post_init__(self) -> None:
        require_employee_name(self.display_name)
        for part in (self.broker_issuer, self.broker_subject):
            _require_line(part, MAX_SUBJECT_LENGTH, "inlogmiddel_ongeldig")


def require_employee_name(name: str) -> None:
    """Require that the name of an employee is one plain line. Raises InvalidInput `naam_ongeldig`."""
    _require_line(name, MAX_EMPLOYEE_NAME_LENGTH, "naam_ongeldig")


def require_team_name(name: str) -> None:
    """Require that the name of a team is one plain line. Raises InvalidInput `teamnaam_ongeldig`."""
    _require_line(name, MAX_TEAM_NAME_LENGTH, "teamnaam_ongeldig")


def _require_line(text: str, max_length: int, code: str) -> None:
    """Require one plain line of at most this length. Raises InvalidInput with the code."""
    try:
        valid = require_plain_line(text) == text and len(text) <= max_length
    except ValueError:
        valid = False
    if not valid:
        raise InvalidInput(code, message="tekst_ongeldig", params={"length": max_length})


def parse_roles(names: Iterable[str]) -> frozenset[EmployeeRole]:
    """Parse the roles of an employee, at least one.

    Raises InvalidInput `rol_ontbreekt`, `rol_onbekend` or `rollen_onverenigbaar`: who supervises opens no letters.
    """
    try:
        roles = frozenset(EmployeeRole(name) for name in names)
    except ValueError as error:
        raise InvalidInput("rol_onbekend") from error
    if not roles:
        raise InvalidInput("rol_ontbreekt")
    if {EmployeeRole.SUPERVISOR, EmployeeRole.CARE_WORKER} <= roles:
        raise InvalidInput("rollen_onverenigbaar")
    return roles


def find_work_level(minimum: Assurance) -> Assurance:
    """Return the level that work needs. It is at least substantial (Wdo art. 6)."""
    return minimum if minimum.is_at_least(Assurance.SUBSTANTIAL) else Assurance.SUBSTANTIAL


def require_minimum_level(minimum: Assurance, login: Assurance) -> None:
    """Require the level that work needs with this minimum. Raises LevelTooLow `niveau_te_laag`."""
    required = find_work_level(minimum)
    if not login.is_at_least(required):
        raise LevelTooLow("niveau_te_laag", message="niveau_te_laag.step_up", level=required.value, acr=required.acr)


def is_invitation_open(invited_at: datetime, at: datetime) -> bool:
    """Return whether an invitation can still be used: for seven days."""
    return invited_at <= at < invited_at + INVITATION_LIFETIME


@dataclass(frozen=True, slots=True)
class ActingOperator:
    """An operator: a person in a login session, or an account on the command line.

    The command line has no person: `person_id` is None.
    """

    person_id: PersonId | None
    account: str | None = None


@dataclass(frozen=True, slots=True)
class ActingEmployee:
    """An active employee who acts for the own organisation."""

    person_id: PersonId
    employee_id: UUID
    organisation_id: UUID


OrganisationActor = ActingOperator | ActingEmployee


@dataclass(frozen=True, slots=True)
class ActingAfzender:
    """An afzender that delivers a letter, by OIN and OAuth client."""

    oin: str
    client_id: str
