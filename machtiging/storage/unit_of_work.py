"""One request, one transaction, committed before the response leaves.

A `Refusal` is an outcome: what was written for it (its journal line, a used-up try) commits, and it is raised on.
Anything else rolls back. A COMMIT that fails reaches the caller as a Fault, so nothing is released unjournalled. When
its answer was lost it may have been carried out all the same: `kernel.commits` counts it as possible.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated

import asyncpg
from fastapi import Depends, Request
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.kernel.commits import count_commit, discount_commit
from machtiging.kernel.errors import Fault, Refusal
from machtiging.storage.connections.guard import REFUSALS
from machtiging.storage.reserved import sessions_for

# Closing a connection that died speaks asyncpg's own language, everything else SQLAlchemy's.
_DATABASE_FAILS = (
    SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)


# Classes of SQLSTATE after which a COMMIT may have been carried out: connection lost, operator intervention, system
# errors of the server. PostgreSQL manual, appendix A.
_IN_DOUBT = frozenset({"08", "57", "58", "XX"})
_COMPLETION_UNKNOWN = "40003"
_MAY_BE_DONE = "The answer to COMMIT was lost: it may have been done. Look before you do it again."


@asynccontextmanager
async def unit_of_work(sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncSession]:
    """A session whose work stands or falls as one. Raises Fault `opslag_niet_bereikbaar` when the database fails."""
    with database_failures():
        async with sessions() as session:
            try:
                yield session
            except Refusal:
                await _commit(session)
                raise
            await _commit(session)


async def _commit(session: AsyncSession) -> None:
    """Commit; one that the database itself refused is no longer counted as possible."""
    count_commit()
    try:
        await session.commit()
    except _DATABASE_FAILS as error:
        if not _is_rolled_back(error):
            raise Fault("opslag_niet_bereikbaar", private=f"{_kind(error)}. {_MAY_BE_DONE}") from error
        discount_commit()
        raise


def _is_rolled_back(error: BaseException) -> bool:
    """Return True when the server has said that the transaction failed, and was not itself going down."""
    state: str | None = getattr(getattr(error, "orig", None), "sqlstate", None)
    return state is not None and state[:2] not in _IN_DOUBT and state != _COMPLETION_UNKNOWN


@contextmanager
def database_failures() -> Iterator[None]:
    """Whatever a database that fails raises becomes Fault `opslag_niet_bereikbaar`, also a connection refused by us."""
    try:
        yield
    except Fault as fault:
        if fault.code not in REFUSALS:
            raise
        raise Fault("opslag_niet_bereikbaar", private=f"{fault.code}: {fault.private}") from fault
    except _DATABASE_FAILS as error:
        # The kind of error, never its text: a database quotes row values in it.
        raise Fault("opslag_niet_bereikbaar", private=_kind(error)) from error


def _kind(error: BaseException) -> str:
    inner = getattr(error, "orig", None)
    state = getattr(inner, "sqlstate", None) or getattr(inner, "pgcode", None)
    return f"{type(error).__name__} {state}" if state else type(error).__name__


async def _transaction(request: Request) -> AsyncIterator[AsyncSession]:
    async with unit_of_work(sessions_for(request)) as session:
        yield session


# scope="function": the tail (commit) runs before the response is sent. With the default scope a failed commit
# would already have told the client 200.
Transaction = Annotated[AsyncSession, Depends(_transaction, scope="function")]
