"""Clearing away what has had its time, a handful of rows at a time and without waiting for anybody."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CTE, ColumnElement, DateTime, Table, bindparam, delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

# The moment at which is swept, in the conditions of a sweep.
AT: ColumnElement[Any] = bindparam("at", type_=DateTime(timezone=True))
# The rows of a table for which the condition holds.
Old = tuple[Table, ColumnElement[Any]]


class Sweep:
    """Deletes up to `at_most` rows of each kind, passing by those that somebody holds.

    It is one statement, however many tables it clears, and is put together once. All of it is seen as it was
    when the statement began.
    """

    def __init__(self, *old: Old, at_most: int = 100) -> None:
        gone = [_gone(table, over, f"{number}", at_most) for number, (table, over) in enumerate(old)]
        self._core = select(*(select(func.count()).select_from(rows).scalar_subquery() for rows in gone))

    async def __call__(self, session: AsyncSession, *, at: datetime) -> int:
        """Sweep; tells how many rows went."""
        return sum((await session.execute(self._core, {"at": at})).one())


def _gone(table: Table, over: ColumnElement[Any], name: str, at_most: int) -> CTE:
    key = tuple(table.primary_key.columns)
    # A CTE, because a subquery may be run again for every row that is looked at, and its limit then limits nothing.
    old = select(*key).where(over).limit(at_most).with_for_update(skip_locked=True).cte("old_" + name)
    return delete(table).where(tuple_(*key).in_(select(*old.c))).returning(key[0]).cte("gone_" + name)
