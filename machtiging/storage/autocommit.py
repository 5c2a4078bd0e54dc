"""Autocommit connections, for the few endpoints that must be cheap.

They come from the same pool as a `unit_of_work`, under the same role; database errors become the same Fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from machtiging.kernel.commits import count_commit
from machtiging.kernel.errors import Fault
from machtiging.kernel.sqlstate import read_sqlstate
from machtiging.storage.connections.greenlets import run_in_greenlet
from machtiging.storage.connections.guard import ConnectionGuard
from machtiging.storage.row_mac import ROW_KEYS_INFO_KEY
from machtiging.storage.statement import AutocommitConnection
from machtiging.storage.unit_of_work import translate_database_errors


@asynccontextmanager
async def autocommit_connection(sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[AutocommitConnection]:
    """Borrow a pooled asyncpg connection in autocommit mode.

    Use only where each statement may be committed by itself. Raises Fault `opslag_niet_bereikbaar` when the
    database fails.
    """
    engine: AsyncEngine = sessions.kw["bind"]
    with translate_database_errors():
        try:
            pooled = await engine.raw_connection()
        except engine.dialect.loaded_dbapi.Error as error:  # SQLAlchemy does not wrap this one
            raise Fault("opslag_niet_bereikbaar", private=type(error).__name__) from error
        connection: Any = pooled.driver_connection
        guard: ConnectionGuard = pooled.info["guard"]
        cut_off = False
        count_commit()  # each statement commits by itself, so a failed one may have been committed
        try:
            set_local = guard.settings_text if guard.behind_pooler else ""
            yield AutocommitConnection(connection, sessions.kw.get("info", {}).get(ROW_KEYS_INFO_KEY), set_local)
        except asyncio.CancelledError:
            cut_off = True
            raise
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            cut_off = guard.should_discard(read_sqlstate(error), pooled.info)
            raise
        finally:
            # The pool does not know transactions begun on the driver. So a connection is closed instead of reused if a
            # transaction is open or broken, if a statement was cancelled halfway, or if the error says that it
            # is stale.
            if cut_off or connection.is_closed() or connection.is_in_transaction():
                await run_in_greenlet(pooled.invalidate)
            else:
                # Nothing to roll back, so closing does not wait and needs no greenlet.
                pooled.close()
