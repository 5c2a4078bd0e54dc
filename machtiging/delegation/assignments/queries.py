"""Load the employee who assigns, and the assignments of an organisation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct
from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.assignments.journal_lines import AssignmentAct, journal_refused_call
from machtiging.delegation.assignments.rules import (
    ActingLeader,
    EmployeeLogin,
    is_present,
    require_leading_role,
    require_not_withdrawn,
)
from machtiging.delegation.authority.holders import load_employee_authority
from machtiging.delegation.authority.queries import load_authorities
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.caseload.case_references import decrypt_case_reference
from machtiging.delegation.queries import machtiging_table
from machtiging.delegation.rules import MachtigingState
from machtiging.delegation.tables import SEALED_ASSIGNMENT, AssignmentRow
from machtiging.identity.data_keys import ensure_data_key
from machtiging.kernel.errors import ROW_INVALID, NotAllowed
from machtiging.kernel.ids import MachtigingId
from machtiging.organisations.rules import require_minimum_level
from machtiging.organisations.tables import Employee, Organisation, Team
from machtiging.storage.columns import table_of

MAX_PAGE_SIZE = 200
_LINK, _ASSIGNMENT = machtiging_table(), table_of(AssignmentRow)
_ORGANISATION, _EMPLOYEE, _TEAM = table_of(Organisation), table_of(Employee), table_of(Team)
_PARENT, _TOP = _LINK.alias("parent_link"), _LINK.alias("top_link")


@dataclass(frozen=True, slots=True)
class AssignmentView:
    """An assignment as the organisation sees it. `stop_code`: the reason that it is not in force; else None."""

    authority: Authority
    case_reference: str | None
    assigned_at: datetime
    stop_code: str | None


async def load_present_employee(session: AsyncSession, login: EmployeeLogin, *, at: datetime) -> ActingLeader:
    """Load the active employee of this login, of any role. Raises NotAllowed `geen_medewerker`."""
    found = None
    if login.kvk is not None:
        found = await load_employee_authority(session, login.person_id, login.kvk, at=at)
    if found is None or not is_present(found.employee, at):
        raise NotAllowed("geen_medewerker")
    return ActingLeader(found.organisation, found.employee, login.person_id)


async def lock_employee_of_login(session: AsyncSession, login: EmployeeLogin) -> None:
    """Lock the employee of this login FOR SHARE, so that the roles stay."""
    mine = (_EMPLOYEE.c.person_id == login.person_id, _ORGANISATION.c.kvk == login.kvk)
    joined = _EMPLOYEE.join(_ORGANISATION, _ORGANISATION.c.id == _EMPLOYEE.c.organisation_id)
    query = select(_EMPLOYEE.c.id).select_from(joined).where(*mine).order_by(_EMPLOYEE.c.id)
    await session.execute(query.with_for_update(read=True, of=_EMPLOYEE))


async def load_viewing_leader(
    session: AsyncSession,
    login: EmployeeLogin,
    *,
    at: datetime,
    act: JournalAct = JournalAct.TOEWIJZING_LIJST,
    shows_clients: bool = True,
) -> ActingLeader:
    """Load the employee who may see all assignments. A refusal is journalled as `act`.

    Raises as `load_present_employee`, NotAllowed `alleen_voor_teamleider`, LevelTooLow `niveau_te_laag`, and as
    `require_not_withdrawn` unless no client is shown.
    """
    viewing = AssignmentAct(act, login.person_id, at)
    async with journal_refused_call(session, viewing):
        leader = await load_present_employee(session, login, at=at)
    async with journal_refused_call(session, replace(viewing, leader=leader)):
        require_leading_role(leader.employee)
        require_minimum_level(leader.organisation.ceiling.minimum_level, login.assurance)
        if shows_clients:
            require_not_withdrawn(leader.organisation)
    return leader


async def is_assignment_of(session: AsyncSession, assignment_id: MachtigingId, organisation_id: UUID) -> bool:
    """Return True if this is a link under a machtiging of the organisation. Takes no lock and verifies no MAC."""
    joined = _LINK.join(_PARENT, _PARENT.c.id == _LINK.c.parent_id).outerjoin(_TOP, _TOP.c.id == _PARENT.c.parent_id)
    owner = func.coalesce(_TOP.c.gemachtigde_id, _PARENT.c.gemachtigde_id)
    query = select(_LINK.c.id).select_from(joined).where(_LINK.c.id == assignment_id, owner == organisation_id)
    return await session.scalar(query) is not None


async def list_client_assignments(
    session: AsyncSession, machtiging_id: MachtigingId, *, at: datetime
) -> list[Authority]:
    """List the assignments under this machtiging that did not end, newest first."""
    live = (_LINK.c.parent_id == machtiging_id) & (_LINK.c.state != MachtigingState.ENDED.value)
    return await load_authorities(session, live, at=at)


def find_stop_code(assignment: Authority, at: datetime) -> str | None:
    """Return the reason code why an assignment gives nothing now; None if it does. Also for a team."""
    if assignment.leaf.team_id is not None:
        return assignment.team_stop_code(at)
    stop = assignment.stop_reason(at)
    return None if stop is None else stop.code


def _is_link_of(organisation_id: UUID) -> ColumnElement[bool]:
    """Build the condition of a link of an employee or team of this organisation. By an index of each."""
    by_employee, by_team = _LINK.alias("link_of_employee"), _LINK.alias("link_of_team")
    employee = select(by_employee.c.id).join(_EMPLOYEE, _EMPLOYEE.c.id == by_employee.c.employee_id)
    team = select(by_team.c.id).join(_TEAM, _TEAM.c.id == by_team.c.team_id)
    mine = employee.where(_EMPLOYEE.c.organisation_id == organisation_id).union_all(
        team.where(_TEAM.c.organisation_id == organisation_id)
    )
    return _LINK.c.id.in_(mine)


async def list_assignments(
    session: AsyncSession,
    keyring: KeyRing,
    organisation_id: UUID,
    *,
    at: datetime,
    after: UUID | None = None,
    limit: int = MAX_PAGE_SIZE,
) -> list[AssignmentView]:
    """List the live assignments to employees and teams of this organisation, in order of id.

    Keyset paging with `after`. No letters, and nothing that identifies the citizen.
    """
    ended = MachtigingState.ENDED.value
    joined = (
        _LINK.join(_PARENT, _PARENT.c.id == _LINK.c.parent_id)
        .outerjoin(_TOP, _TOP.c.id == _PARENT.c.parent_id)
        .join(_ASSIGNMENT, _ASSIGNMENT.c.machtiging_id == _LINK.c.id)
    )
    live = (_LINK.c.state != ended, _PARENT.c.state != ended, _TOP.c.state.is_distinct_from(ended))
    query = select(*_ASSIGNMENT.c).select_from(joined).where(_is_link_of(organisation_id), *live)
    if after is not None:
        query = query.where(_LINK.c.id > after)
    rows = (await session.execute(query.order_by(_LINK.c.id).limit(limit))).all()
    if not rows:
        return []
    ids = [row.machtiging_id for row in rows]
    found = {one.machtiging_id: one for one in await load_authorities(session, _LINK.c.id.in_(ids), at=at)}
    key = await ensure_data_key(session, keyring, organisation_id)
    views = []
    for row in rows:
        authority, authentic = found[row.machtiging_id], await authenticate_row(session, SEALED_ASSIGNMENT, row, at=at)
        code = find_stop_code(authority, at) if authentic else ROW_INVALID
        sealed = row.case_reference_sealed if authentic else None
        reference = decrypt_case_reference(key, row.machtiging_id, sealed)
        views.append(AssignmentView(authority, reference, row.assigned_at, code))
    return views
