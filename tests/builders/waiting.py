"""Acts that must stand still until another lets go: PostgreSQL says that they do, and not that a while went by."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

# Whose database it is, is asked of the backend: a lock on a row is one on a transaction, which is of no database.
WAITING = text(
    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()"
)


async def until_somebody_waits(
    sessions: async_sessionmaker[AsyncSession], act: asyncio.Task[Any], *others: asyncio.Task[Any]
) -> None:
    """Until as many wait for a lock as there are acts, of which none is done: who is done did not wait.

    Of acts one after the other, name those that wait already too.
    """
    acts = (act, *others)
    async with asyncio.timeout(20), sessions() as beside:
        while await beside.scalar(WAITING) < len(acts):
            assert not [one for one in acts if one.done()]
            await beside.rollback()
            await asyncio.sleep(0.005)
    assert not [one for one in acts if one.done()]
