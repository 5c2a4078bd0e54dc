"""The people behind an authority: the employee of a login, and all holders."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import CompoundSelect, Select, Uuid, and_, any_, bindparam, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.authority.memberships import authenticate_memberships, build_memberships, read_team_ids
from machtiging.delegation.authority.queries import (
    authenticate_parts,
    employee_from_mapping,
    label_columns,
    load_authorities,
    organisation_from_mapping,
)
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.authority.standings import EmployeeStanding, OrganisationStanding
from machtiging.delegation.authority.stop_reasons import employee_refusal, organisation_refusal
from machtiging.delegation.rules import MachtigingState
from machtiging.delegation.tables import MachtigingRow
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.organisations.rules import EmployeeState
from machtiging.organisations.tables import (
    SEALED_EMPLOYEE,
    SEALED_ORGANISATION,
    SEALED_RECOGNITION,
    Employee,
    Organisation,
    Recognition,
)
from machtiging.storage.columns import is_selected_id, table_of
from machtiging.storage.statement import Executor, ResultRow, Statement

_LEAF = table_of(MachtigingRow)
_ORGANISATION, _RECOGNITION, _EMPLOYEE = table_of(Organisation), table_of(Recognition), table_of(Employee)


class EmployeeAuthority(NamedTuple):
    """An employee with the organisation that they logged in for."""

    organisation: OrganisationStanding
    employee: EmployeeStanding

    def refusal(self, at: datetime) -> str | None:
        """Return the reason code if this employee may not help clients now; else None."""
        return organisation_refusal(self.organisation) or employee_refusal(self.employee, at)


_EMPLOYEE_FROM = _EMPLOYEE.join(_ORGANISATION, _ORGANISATION.c.id == _EMPLOYEE.c.organisation_id).outerjoin(
    _RECOGNITION,
    and_(
        _RECOGNITION.c.organisation_id == _ORGANISATION.c.id,
        _RECOGNITION.c.number == _ORGANISATION.c.recognition_number,
    ),
)
_SELECT_ANY_EMPLOYEE = select(
    *label_columns(_ORGANISATION, "org"),
    *label_columns(_RECOGNITION, "rec"),
    *label_columns(_EMPLOYEE, "emp"),
    build_memberships(),
).select_from(_EMPLOYEE_FROM)
_EMPLOYEE_OF_LOGIN = Statement(
    _SELECT_ANY_EMPLOYEE.where(
        _EMPLOYEE.c.state != EmployeeState.DEPARTED.value,
        _EMPLOYEE.c.person_id == bindparam("person_id"),
        _ORGANISATION.c.kvk == bindparam("organisation_kvk"),
    ).order_by(_ORGANISATION.c.vestiging.nulls_first(), _EMPLOYEE.c.id)
)
_SEALED_EMPLOYEE_PARTS = (
    (SEALED_ORGANISATION, "org_", "org_id"),
    (SEALED_RECOGNITION, "rec_", "rec_number"),
    (SEALED_EMPLOYEE, "emp_", "emp_id"),
)


async def load_colleague(
    session: AsyncSession, organisation_id: UUID, employee_id: UUID, *, at: datetime
) -> EmployeeStanding | None:
    """Load this employee of the organisation, also one who left; else None. As `load_colleague_authority`."""
    found = await load_colleague_authority(session, organisation_id, employee_id, at=at)
    return None if found is None else found.employee


async def load_colleague_authority(
    session: AsyncSession, organisation_id: UUID, employee_id: UUID, *, at: datetime, lock: bool = False
) -> EmployeeAuthority | None:
    """Load this employee with the organisation, also one who left; else None.

    A row whose MAC fails counts as absent, and is journalled. `lock`: FOR SHARE, so that neither changes.
    """
    mine = _SELECT_ANY_EMPLOYEE.where(_EMPLOYEE.c.id == employee_id, _ORGANISATION.c.id == organisation_id)
    if lock:
        mine = mine.with_for_update(read=True, of=(_EMPLOYEE, _ORGANISATION))
    row = (await session.execute(mine)).mappings().one_or_none()
    return None if row is None else await _read_colleague(session, dict(row), at)


async def load_colleagues(
    session: AsyncSession, organisation_id: UUID, employee_ids: Collection[UUID], *, at: datetime
) -> list[EmployeeStanding]:
    """Load these employees of the organisation, in order of their id. As `load_colleague`."""
    named = _EMPLOYEE.c.id == any_(literal(sorted(employee_ids), ARRAY(Uuid())))
    mine = _SELECT_ANY_EMPLOYEE.where(named, _ORGANISATION.c.id == organisation_id).order_by(_EMPLOYEE.c.id)
    rows = (await session.execute(mine)).mappings().all()
    found = [await _read_colleague(session, dict(row), at) for row in rows]
    return [one.employee for one in found if one is not None]


async def _read_colleague(session: AsyncSession, row: ResultRow, at: datetime) -> EmployeeAuthority | None:
    if not await authenticate_parts(session, row, _SEALED_EMPLOYEE_PARTS, at):
        return None
    if not await authenticate_memberships(session, row, at):
        return None
    organisation = organisation_from_mapping(row)
    employee = employee_from_mapping(row, "emp", read_team_ids(row))
    return None if organisation is None or employee is None else EmployeeAuthority(organisation, employee)


async def load_employee_authority(
    executor: Executor, person_id: PersonId, organisation_kvk: str, *, at: datetime
) -> EmployeeAuthority | None:
    """Load this person as employee of the organisation with this KvK number; else None.

    Of several vestigingen the first counts. A row whose MAC fails counts as absent, and is journalled.
    """
    found = await load_employee_authorities(executor, person_id, organisation_kvk, at=at)
    return found[0] if found else None


async def load_employee_authorities(
    executor: Executor, person_id: PersonId, organisation_kvk: str, *, at: datetime
) -> list[EmployeeAuthority]:
    """Load this person as employee of each vestiging with this KvK number, as `load_employee_authority`."""
    login, found = {"person_id": person_id, "organisation_kvk": organisation_kvk}, []
    for row in await _EMPLOYEE_OF_LOGIN.all(executor, login):
        if await authenticate_parts(executor, row, _SEALED_EMPLOYEE_PARTS, at):
            organisation = organisation_from_mapping(row)
            employee = employee_from_mapping(row, "emp", read_team_ids(row))
            if organisation is not None and employee is not None:
                found.append(EmployeeAuthority(organisation, employee))
    return found


async def load_holder_ids(session: AsyncSession, authority: Authority, *, at: datetime) -> list[PersonId]:
    """Load who holds this machtiging: its holder, or all to whom it is assigned."""
    return (await load_holders(session, [authority], at=at))[authority.machtiging_id]


async def load_holders(
    session: AsyncSession, authorities: Sequence[Authority], *, at: datetime
) -> dict[MachtigingId, list[PersonId]]:
    """Load who holds each of these, in at most one statement.

    Of an organisation: the employees who can act whenever the machtiging and the organisation stand. The authority of
    each of them decides, so that what the giver is shown is what the guard allows. Nobody holds a forged row.
    """
    found = {
        one.machtiging_id: [one.holder_id] if one.holder_id is not None and one.is_authentic else []
        for one in authorities
    }
    if open_ones := [machtiging_id for machtiging_id, holders in found.items() if not holders]:
        below = is_selected_id(_LEAF.c.id, _select_descendant_ids(open_ones))
        assigned = [link for link in await load_authorities(session, below, at=at) if link.is_assigned(at)]
        for machtiging_id in open_ones:
            mine = (link.holder_id for link in assigned if any(above.id == machtiging_id for above in link.links[:-1]))
            found[machtiging_id] = sorted({holder_id for holder_id in mine if holder_id is not None})
    return found


def select_holder_id(machtiging_id: Any) -> Select[Any]:
    """Build the select of the person who holds this machtiging, as gemachtigde or as employee."""
    holder = func.coalesce(_LEAF.c.gemachtigde_id, _EMPLOYEE.c.person_id)
    joined = _LEAF.outerjoin(_EMPLOYEE, _EMPLOYEE.c.id == _LEAF.c.employee_id)
    return select(holder).select_from(joined).where(_LEAF.c.id == machtiging_id)


def select_holders_of_given(person_id: PersonId) -> Select[Any]:
    """Build the select of who holds what this person gave, without what has ended.

    Columns: `machtiging_id`, `person_id` and, of an employee, `organisation_kvk`.
    """
    joined = _LEAF.outerjoin(_EMPLOYEE, _EMPLOYEE.c.id == _LEAF.c.employee_id)
    joined = joined.outerjoin(_ORGANISATION, _ORGANISATION.c.id == _EMPLOYEE.c.organisation_id)
    holder = func.coalesce(_EMPLOYEE.c.person_id, _LEAF.c.gemachtigde_id).label("person_id")
    chosen = (_LEAF.c.id.label("machtiging_id"), holder, _ORGANISATION.c.kvk.label("organisation_kvk"))
    hers = (_LEAF.c.vertegenwoordigde_id == person_id, _LEAF.c.state != MachtigingState.ENDED.value)
    return select(*chosen).select_from(joined).where(*hers)


async def load_descendant_ids(session: AsyncSession, machtiging_id: MachtigingId) -> list[MachtigingId]:
    """Load the ids of all links under this machtiging, ended ones included. A link comes after the one above it."""
    below = select(_LEAF.c.id, _LEAF.c.parent_id).where(
        is_selected_id(_LEAF.c.id, _select_descendant_ids([machtiging_id]))
    )
    rows = (await session.execute(below)).all()
    return [MachtigingId(row.id) for row in sorted(rows, key=lambda row: (row.parent_id != machtiging_id, row.id))]


async def load_employee_links(session: AsyncSession, machtiging_id: MachtigingId, *, at: datetime) -> list[Authority]:
    """Load the live links of employees under this machtiging. Not forged ones, nor what waits for a second person."""
    below = is_selected_id(_LEAF.c.id, _select_descendant_ids([machtiging_id]))
    live = and_(below, _LEAF.c.employee_id.is_not(None), _LEAF.c.state != MachtigingState.ENDED.value)
    found = await load_authorities(session, live, at=at)
    return [one for one in found if one.is_authentic and not one.awaits_second_person]


def _select_descendant_ids(machtiging_ids: Sequence[MachtigingId]) -> CompoundSelect[Any]:
    """Build the select of all links under these, of every depth."""
    child, grandchild = _LEAF.alias("child"), _LEAF.alias("grandchild")
    children = select(child.c.id).where(child.c.parent_id.in_(machtiging_ids))
    return children.union(select(grandchild.c.id).where(grandchild.c.parent_id.in_(children)))
