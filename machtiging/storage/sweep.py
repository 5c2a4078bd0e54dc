"""Retention sweep: deletes expired rows in small batches, without waiting for locks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CTE, ColumnElement, DateTime, Table, bindparam, delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

# Bind parameter for the current time in the conditions of a sweep.
SWEEP_AT: ColumnElement[Any] = bindparam("at", type_=DateTime(timezone=True))
# A table, and the condition for its expired rows.
ExpiredRows = tuple[Table, ColumnElement[Any]]


class Sweep:
    """Deletes up to `batch_size` expired rows per table, skipping locked ones.

    One statement for all tables, built once. All deletes see the snapshot of its start.
    """

    def __init__(self, *expired: ExpiredRows, batch_size: int = 100) -> None:
        deletions = [
            _build_expired_delete_cte(table, over, f"{number}", batch_size)
            for number, (table, over) in enumerate(expired)
        ]
        self._core = select(*(select(func.count()).select_from(rows).scalar_subquery() for rows in deletions))

    async def __call__(self, session: AsyncSession, *, at: datetime) -> int:
        """Delete expired rows and return their number."""
        return sum((await session.execute(self._core, {"at": at})).one())


def _build_expired_delete_cte(table: Table, is_expired: ColumnElement[Any], name: str, batch_size: int) -> CTE:
    key = tuple(table.primary_key.columns)
    # A CTE, because a subquery may be executed again per row, which would defeat its limit.
    old = select(*key).where(is_expired).limit(batch_size).with_for_update(skip_locked=True).cte("old_" + name)
    return delete(table).where(tuple_(*key).in_(select(*old.c))).returning(key[0]).cte("gone_" + name)
