"""The people that a holder helps now, with their names, in one statement."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, true, union
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.queries import AUTHORITY_COLUMNS, AUTHORITY_FROM, authority_from_row
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import MachtigingState
from machtiging.delegation.tables import MachtigingRow
from machtiging.identity.people import Profile, profile_from_row, select_profile
from machtiging.kernel.ids import PersonId
from machtiging.organisations.tables import Employee
from machtiging.storage.columns import is_selected_id, table_of

_LEAF, _EMPLOYEE = table_of(MachtigingRow), table_of(Employee)
_HELD = _LEAF.alias("held_by")


class HelpedPerson(NamedTuple):
    """A machtiging and the profile of its giver. Only a login that may see it is shown the name."""

    authority: Authority
    profile: Profile | None


async def list_helped_people(
    session: AsyncSession, keyring: KeyRing, holder_id: PersonId, *, limit: int, at: datetime
) -> list[HelpedPerson]:
    """List at most `limit` machtigingen that this person holds and nobody ended, newest first."""
    open_ones = _HELD.c.state == MachtigingState.ACTIVE.value
    assigned = select(_HELD.c.id).join(_EMPLOYEE, _EMPLOYEE.c.id == _HELD.c.employee_id)
    ids = union(
        select(_HELD.c.id).where(_HELD.c.gemachtigde_id == holder_id, open_ones),
        assigned.where(_EMPLOYEE.c.person_id == holder_id, open_ones),
    )
    authorities = select(*AUTHORITY_COLUMNS).select_from(AUTHORITY_FROM).where(is_selected_id(_LEAF.c.id, ids))
    newest = authorities.order_by(_LEAF.c.offered_at.desc(), _LEAF.c.id.desc()).limit(limit).subquery("newest")
    giver = select_profile(newest.c.m_vertegenwoordigde_id).lateral("giver")
    found = select(newest, giver).select_from(newest.outerjoin(giver, true()))
    rows = await session.execute(found.order_by(newest.c.m_offered_at.desc(), newest.c.m_id.desc()))
    people = []
    for row in map(dict, rows.mappings().all()):
        authority = await authority_from_row(session, row, at=at)
        people.append(HelpedPerson(authority, profile_from_row(row, keyring, authority.vertegenwoordigde_id)))
    return people
