"""Clearing away what has had its time, a handful of rows at a time and without waiting for anybody."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Table, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession


async def sweep(session: AsyncSession, table: Table, over: ColumnElement[Any], *, at_most: int) -> int:
    """Delete up to `at_most` rows for which `over` holds, passing by those that somebody holds; tells how many."""
    key = tuple(table.primary_key.columns)
    # A CTE, because a subquery may be run again for every row that is looked at, and its limit then limits nothing.
    old = select(*key).where(over).limit(at_most).with_for_update(skip_locked=True).cte("old")
    gone = delete(table).where(tuple_(*key).in_(select(*old.c))).returning(key[0])
    return len((await session.execute(gone)).all())
