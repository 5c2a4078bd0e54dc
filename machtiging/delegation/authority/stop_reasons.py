"""Reasons why a chain is not in force. Pure."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from machtiging.delegation.authority.standings import (
    EmployeeStanding,
    MembershipStanding,
    OrganisationStanding,
    StandInStanding,
)
from machtiging.delegation.rules import EMERGENCY_STOP, EffectiveState, Machtiging
from machtiging.kernel.errors import ROW_INVALID
from machtiging.organisations.rules import EmployeeRole, EmployeeState, RecognitionStatus

CHAIN_INVALID = "keten_ongeldig"
NOT_ASSIGNED = "niet_toegewezen"
LEVEL_TOO_LOW = "niveau_te_laag"


class StopCode(StrEnum):
    """The reason code of a chain that is stopped by more than a link."""

    ORGANISATION_NOT_RECOGNISED = "organisatie_niet_erkend"
    ORGANISATION_SUSPENDED = "organisatie_opgeschort"
    RECOGNITION_WITHDRAWN = "erkenning_ingetrokken"
    EMPLOYEE_INACTIVE = "medewerker_niet_actief"
    EMPLOYEE_DEPARTED = "medewerker_vertrokken"
    EMPLOYEE_NO_CARE_WORKER = "medewerker_geen_hulpverlener"
    NOT_IN_TEAM = "geen_lid_van_het_team"
    STAND_IN_OVER = "vervanging_voorbij"
    EMPLOYEE_NOT_AGREED = "medewerker_niet_afgesproken"
    OWN_BOX = "toewijzing_aan_client_zelf"


ROOT_CODES = {
    EffectiveState.NOT_ACCEPTED: "machtiging_niet_aangenomen",
    EffectiveState.NOT_BEGUN: "machtiging_niet_begonnen",
    EffectiveState.PAUSED: "machtiging_gepauzeerd",
    EffectiveState.ENDED: "machtiging_beeindigd",
    EffectiveState.EXPIRED: "machtiging_verlopen",
    EffectiveState.STOPPED: EMERGENCY_STOP,
}
ASSIGNMENT_CODES = {
    EffectiveState.NOT_ACCEPTED: "toewijzing_niet_bevestigd",
    EffectiveState.NOT_BEGUN: "toewijzing_niet_begonnen",
    EffectiveState.PAUSED: "toewijzing_gepauzeerd",
    EffectiveState.ENDED: "toewijzing_beeindigd",
    EffectiveState.EXPIRED: "toewijzing_verlopen",
    EffectiveState.STOPPED: EMERGENCY_STOP,
}
_RECOGNITION_CODES = {
    RecognitionStatus.SUSPENDED: StopCode.ORGANISATION_SUSPENDED,
    RecognitionStatus.WITHDRAWN: StopCode.RECOGNITION_WITHDRAWN,
}


class StopReason(NamedTuple):
    """The reason of a chain that is not in force, and its link (0: root)."""

    code: str
    link: int


# Only these are told to the holder; of the state of a link, the organisation or a colleague the answer is one code.
OPEN_CODES = frozenset({StopCode.ORGANISATION_NOT_RECOGNISED, StopCode.ORGANISATION_SUSPENDED, ROW_INVALID})
# A chain that stands still and can stand again.
PAUSING_CODES = frozenset(
    {
        ROOT_CODES[EffectiveState.PAUSED],
        EMERGENCY_STOP,
        ASSIGNMENT_CODES[EffectiveState.PAUSED],
        StopCode.ORGANISATION_NOT_RECOGNISED,
        StopCode.ORGANISATION_SUSPENDED,
        StopCode.EMPLOYEE_INACTIVE,
    }
)


def organisation_refusal(organisation: OrganisationStanding) -> str | None:
    """Return the reason code if this organisation is not recognised now; else None."""
    if organisation.recognition is RecognitionStatus.RECOGNISED:
        return None
    if organisation.recognition is None:
        return StopCode.ORGANISATION_NOT_RECOGNISED
    return _RECOGNITION_CODES.get(organisation.recognition, StopCode.ORGANISATION_NOT_RECOGNISED)


def employee_refusal(employee: EmployeeStanding, at: datetime) -> str | None:
    """Return the reason code if this employee may not help clients now; else None."""
    if _has_left(employee, at):
        return StopCode.EMPLOYEE_DEPARTED
    if employee.state is not EmployeeState.ACTIVE or at < employee.starts_at:
        return StopCode.EMPLOYEE_INACTIVE
    return None if EmployeeRole.CARE_WORKER in employee.roles else StopCode.EMPLOYEE_NO_CARE_WORKER


def _has_left(employee: EmployeeStanding, at: datetime) -> bool:
    return employee.state is EmployeeState.DEPARTED or (employee.ends_at is not None and at >= employee.ends_at)


def chain_employee_refusal(
    employee: EmployeeStanding | None, employee_id: UUID | None, root: Machtiging, at: datetime
) -> str | None:
    """Return the reason code if this employee is not of the chain; else None.

    A colleague who is replaced may be inactive, but must not have left.
    """
    if employee is None or employee.id != employee_id or employee.organisation_id != root.gemachtigde_id:
        return NOT_ASSIGNED if employee_id is None else CHAIN_INVALID
    if employee.person_id == root.vertegenwoordigde_id:
        return StopCode.OWN_BOX
    return StopCode.EMPLOYEE_DEPARTED if _has_left(employee, at) else None


def membership_refusal(
    member: MembershipStanding | None, team_id: UUID, employee_id: UUID | None, at: datetime
) -> str | None:
    """Return the reason code if this employee is not in the team now; else None."""
    if member is None or (member.team_id, member.employee_id) != (team_id, employee_id):
        return StopCode.NOT_IN_TEAM
    is_over = member.ends_at is not None and at >= member.ends_at
    return StopCode.NOT_IN_TEAM if is_over or at < member.starts_at else None


def stand_in_refusal(
    stand_in: StandInStanding | None, absent_id: UUID | None, replacement_id: UUID | None, at: datetime
) -> str | None:
    """Return the reason code if nobody stands in for the absent employee now; else None."""
    if stand_in is None or (stand_in.absent_employee_id, stand_in.replacement_id) != (absent_id, replacement_id):
        return StopCode.STAND_IN_OVER
    is_standing = stand_in.ended_at is None and stand_in.starts_at <= at < stand_in.ends_at
    return None if is_standing else StopCode.STAND_IN_OVER
