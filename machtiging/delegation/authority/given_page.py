"""Pages of what a citizen gave, open ones first (keyset)."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_, false, literal, not_, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.authority.queries import AUTHORITY_COLUMNS, AUTHORITY_FROM, authority_from_row
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import MachtigingState
from machtiging.delegation.tables import AgreementRow, MachtigingRow
from machtiging.kernel.ids import PersonId
from machtiging.storage.columns import table_of

_LEAF, _AGREEMENT = table_of(MachtigingRow), table_of(AgreementRow)


class GivenCursor(NamedTuple):
    """The last machtiging of the page before: its end, its offer and its id."""

    has_ended: bool
    offered_at: datetime
    id: UUID


async def list_given_page(
    session: AsyncSession, person_id: PersonId, *, after: GivenCursor | None = None, limit: int, at: datetime
) -> list[Authority]:
    """List what this person gave: open ones first, then ended ones.

    Each newest first. Not the assignments under it. One statement.
    """
    has_ended = or_(_LEAF.c.state == MachtigingState.ENDED.value, _AGREEMENT.c.ends_at <= at)
    hers = select(*AUTHORITY_COLUMNS).select_from(AUTHORITY_FROM)
    hers = hers.where(_LEAF.c.vertegenwoordigde_id == person_id, _LEAF.c.parent_id.is_(None))
    if after is not None:
        earlier = tuple_(_LEAF.c.offered_at, _LEAF.c.id) < tuple_(literal(after.offered_at), literal(after.id))
        next_group = false() if after.has_ended else has_ended
        hers = hers.where(or_(next_group, and_(has_ended if after.has_ended else not_(has_ended), earlier)))
    ordered = hers.order_by(has_ended, _LEAF.c.offered_at.desc(), _LEAF.c.id.desc()).limit(limit)
    rows = (await session.execute(ordered)).mappings().all()
    return [await authority_from_row(session, dict(row), at=at) for row in rows]
