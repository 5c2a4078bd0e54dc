"""Oversight of an organisation: the overseer, and the people in its log."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.delegation.assignments.journal_lines import AssignmentAct, journal_refused_call
from machtiging.delegation.assignments.queries import load_present_employee
from machtiging.delegation.assignments.rules import ActingLeader, EmployeeLogin, require_not_withdrawn
from machtiging.delegation.authority.queries import load_authorities
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.queries import machtiging_table
from machtiging.delegation.rules import MachtigingState
from machtiging.kernel.errors import NotAllowed
from machtiging.kernel.ids import PersonId
from machtiging.organisations.rules import EmployeeRole, require_minimum_level

_LINK = machtiging_table()
_STANDING = (MachtigingState.ACTIVE.value, MachtigingState.PAUSED.value)
SUPERVISORS = frozenset({EmployeeRole.SUPERVISOR})
LOG_READERS = frozenset({EmployeeRole.SUPERVISOR, EmployeeRole.ADMINISTRATOR})


async def load_overseer(
    session: AsyncSession, login: EmployeeLogin, roles: frozenset[EmployeeRole], *, at: datetime
) -> ActingLeader:
    """Load the employee who oversees the organisation, in one of these roles. A refusal is journalled.

    Raises as `load_present_employee`, NotAllowed `alleen_voor_toezicht` or as `require_not_withdrawn`, and LevelTooLow
    `niveau_te_laag`.
    """
    viewing = AssignmentAct(JournalAct.TOEZICHT_INGEZIEN, login.person_id, at)
    async with journal_refused_call(session, viewing):
        found = await load_present_employee(session, login, at=at)
    async with journal_refused_call(session, replace(viewing, leader=found)):
        if roles.isdisjoint(found.employee.roles):
            is_log = EmployeeRole.ADMINISTRATOR in roles
            raise NotAllowed("alleen_voor_toezicht", message="alleen_voor_toezicht.log" if is_log else None)
        require_minimum_level(found.organisation.ceiling.minimum_level, login.assurance)
        require_not_withdrawn(found.organisation)
    return found


async def journal_viewed_reading(
    session: AsyncSession, viewer: ActingLeader, facts: dict[str, str], *, at: datetime
) -> None:
    """Journal that somebody looked at who read what. `facts`: the chosen employee and month."""
    line = NewJournalLine(
        act=JournalAct.TOEZICHT_INGEZIEN,
        outcome=JournalOutcome.ALLOWED,
        reason="toezicht",
        actor_id=viewer.person_id,
        on_behalf_of=viewer.organisation.id,
        facts=facts,
    )
    await record(session, line, at=at)


async def journal_exported_assignments(
    session: AsyncSession, viewer: ActingLeader, clients: int, *, at: datetime
) -> None:
    """Journal an export of who has what, with the number of its clients."""
    line = NewJournalLine(
        act=JournalAct.ORGANISATIE_EXPORT,
        outcome=JournalOutcome.ALLOWED,
        reason="wie_heeft_wat",
        actor_id=viewer.person_id,
        on_behalf_of=viewer.organisation.id,
        facts={"clienten": clients},
    )
    await record(session, line, at=at)


async def load_standing_clients(
    session: AsyncSession, organisation_id: UUID, person_ids: Collection[UUID], *, at: datetime
) -> dict[PersonId, list[Authority]]:
    """Load what these people let the organisation do now, also what is paused. Not what is over or forged."""
    if not person_ids:
        return {}
    mine = (_LINK.c.gemachtigde_id == organisation_id) & _LINK.c.vertegenwoordigde_id.in_(person_ids)
    standing: dict[PersonId, list[Authority]] = {}
    for one in await load_authorities(session, mine & _LINK.c.state.in_(_STANDING), at=at):
        if one.is_authentic and at < one.ends_at:
            standing.setdefault(one.vertegenwoordigde_id, []).append(one)
    return standing


async def find_own_clients(session: AsyncSession, organisation_id: UUID, person_ids: Collection[UUID]) -> set[PersonId]:
    """Find which of these people are or were clients of the organisation."""
    if not person_ids:
        return set()
    mine = (_LINK.c.gemachtigde_id == organisation_id, _LINK.c.vertegenwoordigde_id.in_(person_ids))
    found = await session.scalars(select(_LINK.c.vertegenwoordigde_id).where(*mine).distinct())
    return {PersonId(one) for one in found}


async def find_assigned_employees(session: AsyncSession, assignment_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Find the employee of each of these assignments, also of those that ended."""
    if not assignment_ids:
        return {}
    query = select(_LINK.c.id, _LINK.c.employee_id).where(_LINK.c.id.in_(assignment_ids))
    rows = await session.execute(query.where(_LINK.c.employee_id.is_not(None)))
    return {row.id: row.employee_id for row in rows}
