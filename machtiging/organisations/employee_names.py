"""The employees of an organisation with their names, in one statement."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.data_keys import DATA_KEY_COLUMNS, data_key_table, unwrap_data_key
from machtiging.identity.people import load_profiles
from machtiging.kernel.ids import PersonId
from machtiging.organisations.employees import decrypt_display_name
from machtiging.organisations.queries import EMPLOYEE
from machtiging.organisations.rules import EmployeeRole, EmployeeState, is_invitation_open
from machtiging.organisations.tables import SEALED_EMPLOYEE

_PARTY = data_key_table()


@dataclass(frozen=True, slots=True)
class EmployeeView:
    """An employee as colleagues see them. `is_late`: an invitation that nobody used in time."""

    id: UUID
    person_id: PersonId | None
    name: str
    roles: frozenset[EmployeeRole]
    state: EmployeeState
    invited_at: datetime
    is_late: bool

    @property
    def can_read(self) -> bool:
        """True for an active hulpverlener."""
        return self.state is EmployeeState.ACTIVE and EmployeeRole.CARE_WORKER in self.roles


async def load_employee_views(
    session: AsyncSession, keyring: KeyRing, organisation_id: UUID, *, at: datetime
) -> Mapping[UUID, EmployeeView]:
    """Load all employees who have not left, by id, in order of name. Rows whose MAC fails are left out."""
    present = EMPLOYEE.c.state != EmployeeState.DEPARTED.value
    return await _load_views(session, keyring, organisation_id, present, at=at)


async def load_named_employees(
    session: AsyncSession, keyring: KeyRing, organisation_id: UUID, ids: Collection[UUID], *, at: datetime
) -> Mapping[UUID, EmployeeView]:
    """Load these employees of the organisation, also those who left, as `load_employee_views`."""
    if not ids:
        return {}
    return await _load_views(session, keyring, organisation_id, EMPLOYEE.c.id.in_(ids), at=at)


async def load_employees_of_people(
    session: AsyncSession, keyring: KeyRing, organisation_id: UUID, person_ids: Collection[UUID], *, at: datetime
) -> Mapping[PersonId, EmployeeView]:
    """Load these people as employees of the organisation, also those who left."""
    if not person_ids:
        return {}
    views = await _load_views(session, keyring, organisation_id, EMPLOYEE.c.person_id.in_(person_ids), at=at)
    return {one.person_id: one for one in views.values() if one.person_id is not None}


async def _load_views(
    session: AsyncSession, keyring: KeyRing, organisation_id: UUID, condition: ColumnElement[bool], *, at: datetime
) -> Mapping[UUID, EmployeeView]:
    mine = (EMPLOYEE.c.organisation_id == organisation_id, condition)
    joined = EMPLOYEE.join(_PARTY, _PARTY.c.id == EMPLOYEE.c.organisation_id)
    query = select(*EMPLOYEE.c, *DATA_KEY_COLUMNS).select_from(joined).where(*mine).order_by(EMPLOYEE.c.id)
    rows = [
        row
        for row in (await session.execute(query)).all()
        if await authenticate_row(session, SEALED_EMPLOYEE, row, at=at)
    ]
    # Whom a migration made has no name of the organisation: then that of the login.
    nameless = [row.person_id for row in rows if row.display_name_sealed is None and row.person_id is not None]
    profiles = await load_profiles(session, keyring, nameless)
    views = []
    for row in rows:
        name = profiles[row.person_id].name if row.person_id in profiles else ""
        if row.display_name_sealed is not None:
            wrapped = {"data_key_wrapped": row.data_key_wrapped, "kek_version": row.kek_version}
            name = decrypt_display_name(unwrap_data_key(wrapped, keyring, organisation_id), row)
        state = EmployeeState(row.state)
        late = state is EmployeeState.INVITED and not is_invitation_open(row.invited_at, at)
        roles = frozenset(map(EmployeeRole, row.roles))
        views.append(EmployeeView(row.id, row.person_id, name, roles, state, row.invited_at, late))
    return {one.id: one for one in sorted(views, key=lambda one: (one.name.casefold(), one.id))}
