"""Load the hand-overs of an organisation and the clients in them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import DateTime, Uuid

from machtiging.audit.row_authentication import authenticate_row
from machtiging.delegation.queries import is_current_agreement, machtiging_table
from machtiging.delegation.rules import MachtigingState
from machtiging.delegation.tables import (
    SEALED_HANDOVER,
    SEALED_HANDOVER_ITEM,
    AgreementRow,
    Handover,
    HandoverItem,
)
from machtiging.delegation.waiting_clients.rules import HandoverOccasion, ItemState
from machtiging.kernel.errors import NotFound
from machtiging.storage.columns import table_of

MAX_PAGE_SIZE = 200
_HANDOVER, _ITEM = table_of(Handover), table_of(HandoverItem)
_ROOT, _AGREEMENT = machtiging_table(), table_of(AgreementRow)


@dataclass(frozen=True, slots=True)
class HandoverView:
    """A hand-over with the number of its clients. `waiting`: those who still wait for a reader."""

    id: UUID
    employee_id: UUID
    occasion: HandoverOccasion
    opened_at: datetime
    waiting: int
    total: int


@dataclass(frozen=True, slots=True)
class ItemView:
    """A client in a hand-over, as it stands now."""

    handover_id: UUID
    machtiging_id: UUID
    employee_id: UUID
    state: ItemState
    due_at: datetime
    told_at: datetime | None
    assignment_id: UUID | None


class ItemCursor(NamedTuple):
    """The last waiting client of the page before."""

    due_at: datetime
    machtiging_id: UUID


def _is_live(at: datetime) -> ColumnElement[bool]:
    """Build the condition that the machtiging of an item is not over."""
    open_states = (MachtigingState.ACTIVE.value, MachtigingState.PAUSED.value)
    return and_(_ROOT.c.state.in_(open_states), _AGREEMENT.c.ends_at > at)


def _is_waiting(at: datetime) -> ColumnElement[bool]:
    return and_(_ITEM.c.state == ItemState.WAITING.value, _is_live(at))


_ITEMS = (
    _ITEM.join(_HANDOVER, _HANDOVER.c.id == _ITEM.c.handover_id)
    .join(_ROOT, _ROOT.c.id == _ITEM.c.machtiging_id)
    .join(_AGREEMENT, is_current_agreement(_ROOT, _AGREEMENT))
)


async def list_handovers(
    session: AsyncSession, organisation_id: UUID, *, at: datetime, after: UUID | None = None, limit: int = MAX_PAGE_SIZE
) -> list[HandoverView]:
    """List the hand-overs of this organisation with their counts, newest first (keyset). Forged rows are left out."""
    chosen = select(_HANDOVER).where(_HANDOVER.c.organisation_id == organisation_id)
    if after is not None:
        chosen = chosen.where(_HANDOVER.c.id < after)
    page = chosen.order_by(_HANDOVER.c.id.desc()).limit(limit).cte("handover_page")
    counted = (
        select(func.count().filter(_is_waiting(at)).label("waiting"), func.count().label("total"))
        .select_from(_ITEMS)
        .where(_ITEM.c.handover_id == page.c.id)
        .lateral("counted")
    )
    query = select(*page.c, counted.c.waiting, counted.c.total).order_by(page.c.id.desc())
    rows = (await session.execute(query)).all()
    return [
        HandoverView(row.id, row.employee_id, HandoverOccasion(row.occasion), row.opened_at, row.waiting, row.total)
        for row in rows
        if await authenticate_row(session, SEALED_HANDOVER, row, at=at)
    ]


async def require_handover(session: AsyncSession, organisation_id: UUID, handover_id: UUID) -> None:
    """Require a hand-over of this organisation. Raises NotFound `overdracht_onbekend` for all others alike."""
    mine = (_HANDOVER.c.id == handover_id, _HANDOVER.c.organisation_id == organisation_id)
    if await session.scalar(select(_HANDOVER.c.id).where(*mine)) is None:
        raise NotFound("overdracht_onbekend")


async def list_items(
    session: AsyncSession, handover_id: UUID, *, at: datetime, after: UUID | None = None, limit: int = MAX_PAGE_SIZE
) -> list[ItemView]:
    """List the clients of a hand-over in order of their machtiging (keyset). Forged rows are left out."""
    condition = _ITEM.c.handover_id == handover_id
    if after is not None:
        condition = and_(condition, _ITEM.c.machtiging_id > after)
    query = _select_items(at).where(condition).order_by(_ITEM.c.machtiging_id).limit(limit)
    return await _build_views(session, (await session.execute(query)).all(), at)


async def list_waiting(
    session: AsyncSession, organisation_id: UUID, *, at: datetime, after: ItemCursor | None = None, limit: int
) -> list[ItemView]:
    """List the clients of the organisation who wait for a reader, by their date (keyset)."""
    query = _select_items(at).where(_HANDOVER.c.organisation_id == organisation_id, _is_waiting(at))
    place = tuple_(_ITEM.c.due_at, _ITEM.c.machtiging_id)
    if after is not None:
        last = tuple_(literal(after.due_at, DateTime(timezone=True)), literal(after.machtiging_id, Uuid()))
        query = query.where(place > last)
    ordered = query.order_by(_ITEM.c.due_at, _ITEM.c.machtiging_id).limit(limit)
    return await _build_views(session, (await session.execute(ordered)).all(), at)


async def count_waiting_of_employee(
    session: AsyncSession, organisation_id: UUID, employee_id: UUID, *, at: datetime
) -> int:
    """Count the clients of an employee who left that still wait for a reader."""
    mine = (_HANDOVER.c.organisation_id == organisation_id, _HANDOVER.c.employee_id == employee_id)
    query = select(func.count()).select_from(_ITEMS).where(*mine, _is_waiting(at))
    return await session.scalar(query) or 0


async def find_handovers(
    session: AsyncSession, organisation_id: UUID, machtiging_ids: Collection[UUID]
) -> dict[UUID, UUID]:
    """Find the newest hand-over of the organisation in which each of these machtigingen is."""
    mine = (_HANDOVER.c.organisation_id == organisation_id, _ITEM.c.machtiging_id.in_(machtiging_ids))
    joined = _ITEM.join(_HANDOVER, _HANDOVER.c.id == _ITEM.c.handover_id)
    query = select(_ITEM.c.machtiging_id, _ITEM.c.handover_id).select_from(joined).where(*mine)
    rows = await session.execute(query.order_by(_ITEM.c.handover_id))
    return {row.machtiging_id: row.handover_id for row in rows}


def _select_items(at: datetime) -> Any:
    columns: list[Any] = [*_ITEM.c, _HANDOVER.c.employee_id, _is_live(at).label("is_live")]
    return select(*columns).select_from(_ITEMS)


async def _build_views(session: AsyncSession, rows: Any, at: datetime) -> list[ItemView]:
    return [_build_view(row) for row in rows if await authenticate_row(session, SEALED_HANDOVER_ITEM, row, at=at)]


def _build_view(row: Row[Any]) -> ItemView:
    """Build the view of an item. One that waits for a machtiging that is over has lapsed."""
    state = ItemState(row.state)
    if state is ItemState.WAITING and not row.is_live:
        state = ItemState.DROPPED
    return ItemView(
        handover_id=row.handover_id,
        machtiging_id=row.machtiging_id,
        employee_id=row.employee_id,
        state=state,
        due_at=row.due_at,
        told_at=row.told_at,
        assignment_id=row.assignment_id,
    )
