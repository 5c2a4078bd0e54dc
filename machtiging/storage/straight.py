"""A unit of work on the driver's own connection, for the few answers that must be cheap.

The same promises as `unit_of_work`: one transaction, a Refusal commits, anything else rolls back, committed before the
caller goes on, and a database that fails is a Fault. The connection comes from the same pool under the same role.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.util import greenlet_spawn

from machtiging.kernel.errors import Refusal
from machtiging.storage.statement import Straight
from machtiging.storage.unit_of_work import database_failures


@asynccontextmanager
async def straight(sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[Straight]:
    """A transaction of its own on a connection of these sessions' pool.

    Raises Fault `opslag_niet_bereikbaar` when the database fails.
    """
    with database_failures():
        async with _borrowed(sessions.kw["bind"]) as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield Straight(connection)
            except Refusal:
                await transaction.commit()
                raise
            await transaction.commit()


@asynccontextmanager
async def _borrowed(engine: AsyncEngine) -> AsyncIterator[asyncpg.Connection]:
    pooled = await engine.raw_connection()
    connection: Any = pooled.driver_connection
    try:
        yield connection
    finally:
        # The pool knows nothing of a transaction that it did not begin: with one open, or broken, a connection is
        # ended instead of lent again. That is also how everything but a Refusal rolls back.
        if connection.is_closed() or connection.is_in_transaction():
            await greenlet_spawn(pooled.invalidate)
        else:
            await greenlet_spawn(pooled.close)
