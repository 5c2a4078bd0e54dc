"""Retention sweep: deletes expired rows in small batches, without waiting for locks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CTE, ColumnElement, DateTime, Table, bindparam, delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

# Bind parameter for the current time in the conditions of a sweep.
AT: ColumnElement[Any] = bindparam("at", type_=DateTime(timezone=True))
# A table, and the condition for its expired rows.
Old = tuple[Table, ColumnElement[Any]]


class Sweep:
    """Deletes up to `batch_size` expired rows per table, skipping locked ones.

    One statement for all tables, built once. All deletes see the snapshot of its start.
    """

    def __init__(self, *old: Old, at_most: int = 100) -> None:
        gone = [_gone(table, over, f"{number}", at_most) for number, (table, over) in enumerate(old)]
        self._core = select(*(select(func.count()).select_from(rows).scalar_subquery() for rows in gone))

    async def __call__(self, session: AsyncSession, *, at: datetime) -> int:
        """Delete expired rows and return their number."""
        return sum((await session.execute(self._core, {"at": at})).one())


def _gone(table: Table, over: ColumnElement[Any], name: str, at_most: int) -> CTE:
    key = tuple(table.primary_key.columns)
    # A CTE, because a subquery may be executed again per row, which would defeat its limit.
    old = select(*key).where(over).limit(at_most).with_for_update(skip_locked=True).cte("old_" + name)
    return delete(table).where(tuple_(*key).in_(select(*old.c))).returning(key[0]).cte("gone_" + name)
