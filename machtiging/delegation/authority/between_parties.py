"""The authorities between holders and represented parties."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, Uuid, any_, literal, or_, select, true, union
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.authority.queries import load_authorities
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import MachtigingState
from machtiging.delegation.tables import MachtigingRow
from machtiging.organisations.tables import Employee
from machtiging.storage.columns import is_selected_id, table_of

_LEAF, _EMPLOYEE = table_of(MachtigingRow), table_of(Employee)
_BETWEEN = _LEAF.alias("between_parties")


async def load_authorities_between(
    session: AsyncSession,
    represented_ids: Collection[UUID],
    holder_ids: Collection[UUID],
    machtiging_ids: Collection[UUID],
    *,
    include_ended: bool = False,
    at: datetime,
) -> list[Authority]:
    """Load what these holders have for these represented parties, in one statement.

    `machtiging_ids`: named machtigingen, which are loaded too.

    A holder is a person or an organisation. The caller pairs them: this gives every combination. What ended is left
    out unless named, or with `include_ended`: for a question about the past. Nothing is decided here.
    """
    wanted = true() if include_ended else _BETWEEN.c.state != MachtigingState.ENDED.value
    represented, holders = _as_array(represented_ids), _as_array(holder_ids)
    between = (
        select(_BETWEEN.c.id)
        .outerjoin(_EMPLOYEE, _EMPLOYEE.c.id == _BETWEEN.c.employee_id)
        .where(_BETWEEN.c.vertegenwoordigde_id == represented, wanted)
        .where(or_(_BETWEEN.c.gemachtigde_id == holders, _EMPLOYEE.c.person_id == holders))
    )
    named: Select[tuple[UUID]] = select(_BETWEEN.c.id).where(_BETWEEN.c.id == _as_array(machtiging_ids))
    return await load_authorities(session, is_selected_id(_LEAF.c.id, union(between, named)), at=at)


def _as_array(ids: Collection[UUID]) -> object:
    return any_(literal(sorted(set(ids)), ARRAY(Uuid())))
