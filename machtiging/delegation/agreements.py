"""Insert versions of what is agreed in a machtiging. A version never changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, and_, any_, insert, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.rules import Machtiging
from machtiging.delegation.tables import SEALED_AGREEMENT, AgreementRow, MachtigingRow
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import seal_row

_AGREEMENT = table_of(AgreementRow)
# What a link copies from the agreement above it. The rest says who agreed, when and how.
_TERMS = (
    *("afzenders", "diensten", "themes", "excluded_themes", "highest_sensitivity", "letters_from", "letters", "acts"),
    *("starts_at", "ends_at", "only_employee_id", "excluded_team_ids", "bundle_version"),
)


async def insert_agreement(session: AsyncSession, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Insert a version and return its row. Raises a database error for a version that may not follow."""
    sealed = seal_row(session, SEALED_AGREEMENT, values)
    inserted = await session.execute(insert(_AGREEMENT).values(sealed).returning(_AGREEMENT))
    return dict(inserted.mappings().one())


async def load_terms(session: AsyncSession, machtiging: Machtiging) -> dict[str, Any]:
    """Load the terms of the current agreement, for a link under this machtiging."""
    current = (_AGREEMENT.c.machtiging_id == machtiging.id, _AGREEMENT.c.number == machtiging.agreement_number)
    row = (await session.execute(select(_AGREEMENT).where(*current))).mappings().one()
    return {name: row[name] for name in _TERMS}


async def load_terms_of_links(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    """Load as `load_terms` for each of these machtigingen, in one statement."""
    machtiging = table_of(MachtigingRow)
    current = (_AGREEMENT.c.machtiging_id == machtiging.c.id, _AGREEMENT.c.number == machtiging.c.agreement_number)
    query = select(_AGREEMENT).join(machtiging, and_(*current))
    named = _AGREEMENT.c.machtiging_id == any_(literal(sorted(ids), ARRAY(Uuid())))
    rows = (await session.execute(query.where(named))).mappings()
    return {row["machtiging_id"]: {name: row[name] for name in _TERMS} for row in rows}
