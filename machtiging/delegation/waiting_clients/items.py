"""Open, lock and close the items of a hand-over. Each change returns the row for the journal line of its act."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.tables import SEALED_HANDOVER_ITEM, HandoverItem
from machtiging.delegation.waiting_clients.rules import HANDOVER_PERIOD, ItemState
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import SealedTable, reseal_changes, seal_row

_ITEM = table_of(HandoverItem)
SealedRow = tuple[SealedTable, Mapping[str, Any]]


async def insert_items(
    session: AsyncSession, handover_id: UUID, machtiging_ids: Sequence[UUID], *, at: datetime
) -> list[SealedRow]:
    """Insert waiting clients in one statement. Raises a database error for one who waits already."""
    values = {"handover_id": handover_id, "state": ItemState.WAITING.value, "due_at": at + HANDOVER_PERIOD}
    unset = {"told_at": None, "closed_at": None, "assignment_id": None}
    named = [{**values, **unset, "machtiging_id": one} for one in machtiging_ids]
    rows = [seal_row(session, SEALED_HANDOVER_ITEM, one) for one in named]
    await session.execute(insert(_ITEM), rows)
    return [(SEALED_HANDOVER_ITEM, row) for row in rows]


async def lock_waiting_item(
    session: AsyncSession, machtiging_id: UUID, *, skip_locked: bool = False
) -> Row[Any] | None:
    """Lock the item in which this client waits, until the transaction ends. None if there is none."""
    mine = (_ITEM.c.machtiging_id == machtiging_id, _ITEM.c.state == ItemState.WAITING.value)
    query = select(_ITEM).where(*mine).with_for_update(skip_locked=skip_locked)
    return (await session.execute(query)).one_or_none()


async def find_item_state(session: AsyncSession, handover_id: UUID, machtiging_id: UUID) -> ItemState | None:
    """Find the state of a client in this hand-over. None if not in it."""
    mine = (_ITEM.c.handover_id == handover_id, _ITEM.c.machtiging_id == machtiging_id)
    state = await session.scalar(select(_ITEM.c.state).where(*mine))
    return None if state is None else ItemState(state)


async def close_item(
    session: AsyncSession, item: Row[Any], *, at: datetime, assignment_id: UUID | None = None
) -> SealedRow:
    """Close a locked item: assigned, or else dropped."""
    state = ItemState.DROPPED if assignment_id is None else ItemState.ASSIGNED
    return await _update_item(session, item, {"state": state.value, "closed_at": at, "assignment_id": assignment_id})


async def mark_client_notified(session: AsyncSession, item: Row[Any], *, at: datetime) -> SealedRow:
    """Mark on a locked item that the citizen is told."""
    return await _update_item(session, item, {"told_at": at})


async def _update_item(session: AsyncSession, item: Row[Any], changes: dict[str, Any]) -> SealedRow:
    mine = (_ITEM.c.handover_id == item.handover_id, _ITEM.c.machtiging_id == item.machtiging_id)
    values = reseal_changes(session, SEALED_HANDOVER_ITEM, item, changes)
    changed = update(_ITEM).where(*mine).values(values).returning(_ITEM)
    return SEALED_HANDOVER_ITEM, (await session.execute(changed)).mappings().one()
