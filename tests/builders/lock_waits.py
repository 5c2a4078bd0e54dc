"""Wait until tasks are blocked by a lock, as PostgreSQL reports it: tests of races need no sleeps."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

# `pg_locks.database` is null for row locks, so the database comes from the backend that waits.
BLOCKED_BACKENDS = text(
    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()"
)


async def wait_until_blocked(
    sessions: async_sessionmaker[AsyncSession], task: asyncio.Task[Any], *others: asyncio.Task[Any]
) -> None:
    """Return when as many backends wait for a lock as there are tasks. Fails when one of the tasks is done.

    Name every task that waits at this moment, also those of an earlier call.
    """
    tasks = (task, *others)
    async with asyncio.timeout(20), sessions() as beside:
        while await beside.scalar(BLOCKED_BACKENDS) < len(tasks):
            assert not [each for each in tasks if each.done()]
            await beside.rollback()
            await asyncio.sleep(0.005)
    assert not [each for each in tasks if each.done()]
