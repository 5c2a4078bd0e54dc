"""The parts of an authority beside its links: organisation, employee, stand-in and membership. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from machtiging.kernel.ids import PersonId
from machtiging.organisations.rules import Ceiling, EmployeeRole, EmployeeState, RecognitionStatus


@dataclass(frozen=True, slots=True)
class OrganisationStanding:
    """An organisation as it stands: its recognition, its ceiling and its epoch."""

    id: UUID
    kvk: str | None
    name: str
    recognition: RecognitionStatus | None
    ceiling: Ceiling
    epoch: int


@dataclass(frozen=True, slots=True)
class EmployeeStanding:
    """An employee as they stand, with the teams that they are in."""

    id: UUID
    organisation_id: UUID
    person_id: PersonId | None
    state: EmployeeState
    roles: frozenset[EmployeeRole]
    starts_at: datetime
    ends_at: datetime | None
    team_ids: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class StandInStanding:
    """The replacement of an absent employee."""

    absent_employee_id: UUID
    replacement_id: UUID
    starts_at: datetime
    ends_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class MembershipStanding:
    """The membership of a team."""

    team_id: UUID
    employee_id: UUID
    starts_at: datetime
    ends_at: datetime | None
