"""The employee or team that gets an assignment, with the members of the team."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.assignments.rules import (
    ActingLeader,
    AssignmentRequest,
    require_case_reference,
    require_force,
    require_force_of_team,
    require_one_holder,
    require_root,
)
from machtiging.delegation.authority.holders import load_colleague, load_colleagues
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.authority.standings import EmployeeStanding
from machtiging.delegation.authority.stop_reasons import StopCode
from machtiging.delegation.businesses.giver_side import GiverSides
from machtiging.kernel.errors import NotAllowed, NotFound
from machtiging.kernel.ids import PersonId
from machtiging.organisations.teams.queries import TeamView, require_open_team


@dataclass(frozen=True, slots=True)
class Assignee:
    """The holder of an assignment to make: `employee`, or `team` with its `members`. Not the client."""

    employee: EmployeeStanding | None = None
    team: TeamView | None = None
    members: tuple[EmployeeStanding, ...] = ()

    @property
    def employee_id(self) -> UUID | None:
        """The employee; None for a team."""
        return None if self.employee is None else self.employee.id

    @property
    def team_id(self) -> UUID | None:
        """The team; None for an employee."""
        return None if self.team is None else self.team.id


async def require_assignee(
    session: AsyncSession,
    sides: GiverSides,
    leader: ActingLeader,
    authority: Authority,
    request: AssignmentRequest,
    at: datetime,
) -> Assignee:
    """Require a machtiging in force, and an employee or team who may hold it. Raises a Refusal with its own code."""
    require_root(authority)
    require_case_reference(request.case_reference)
    require_one_holder(request)
    if request.team_id is not None:
        team = await require_open_team(session, leader.organisation.id, request.team_id, at=at)
        return Assignee(team=team, members=await require_members(session, sides, authority, team, at=at))
    employee = None
    if request.employee_id is not None:
        employee = await load_colleague(session, leader.organisation.id, request.employee_id, at=at)
    if employee is None:
        raise NotFound("medewerker_onbekend")
    require_force(authority, employee, at)
    if await _is_client(sides, authority, employee.person_id):
        raise NotAllowed(StopCode.OWN_BOX, message="toewijzing_aan_client_zelf.assignment")
    return Assignee(employee)


async def require_members(
    session: AsyncSession, sides: GiverSides, authority: Authority, team: TeamView, *, at: datetime
) -> tuple[EmployeeStanding, ...]:
    """Require that a member of the team can read now. Returns all members but the client.

    Raises NotAllowed with the code of the stop, and Conflict `team_zonder_lezer`.
    """
    colleagues: Sequence[EmployeeStanding] = ()
    if team.member_ids and authority.organisation is not None:
        colleagues = await load_colleagues(session, authority.organisation.id, team.member_ids, at=at)
    await sides.load([authority.root.id], [one.person_id for one in colleagues if one.person_id is not None])
    members = [one for one in colleagues if not await _is_client(sides, authority, one.person_id)]
    require_force_of_team(authority, team.id, members, at)
    return tuple(members)


async def list_readable_by(
    session: AsyncSession, keyring: KeyRing, authorities: Sequence[Authority], person_id: PersonId | None
) -> list[Authority]:
    """List those of which this person is not on the giver's side. Without a client whose row is forged."""
    sides, found = GiverSides(session, keyring), []
    await sides.load([one.root.id for one in authorities], [] if person_id is None else [person_id])
    for one in authorities:
        try:
            if not await _is_client(sides, one, person_id):
                found.append(one)
        except NotAllowed:  # `rij_ongeldig`, which is journalled: it gives nothing, and stops no other client
            continue
    return found


async def _is_client(sides: GiverSides, authority: Authority, person_id: PersonId | None) -> bool:
    """Return True if this person is the client, or acts for the business that is. Also with another account."""
    return person_id is not None and await sides.include(authority, person_id)
