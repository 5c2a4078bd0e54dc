"""Unit of work: one transaction per request, committed before the response is sent.

A `Refusal` commits what was written for it (its journal line, a counted attempt) and is re-raised. Any other exception
rolls back. A failed COMMIT is a Fault, so that nothing is released without a journal line. A COMMIT whose reply was
lost may have succeeded: `kernel.commits` counts it as possible.
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
from machtiging.kernel.sqlstate import find_sqlstate
from machtiging.storage.connections.guard import CONNECTION_FAULTS
from machtiging.storage.reserved_connections import choose_sessions

# Closing a broken connection raises asyncpg's errors, everything else SQLAlchemy's.
_DATABASE_ERRORS = (
    SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)


# Classes of SQLSTATE after which a COMMIT may have been carried out: connection lost, operator intervention, system
# errors of the server. PostgreSQL manual, appendix A.
_COMMIT_IN_DOUBT_CLASSES = frozenset({"08", "57", "58", "XX"})
_COMPLETION_UNKNOWN_SQLSTATE = "40003"
_COMMIT_UNKNOWN_TEXT = "The answer to COMMIT was lost: it may have been done. Look before you do it again."


@asynccontextmanager
async def unit_of_work(sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncSession]:
    """Open a session with one transaction. Raises Fault `opslag_niet_bereikbaar` when the database fails."""
    with translate_database_errors():
        async with sessions() as session:
            try:
                yield session
            except Refusal:
                await _commit_session(session)
                raise
            await _commit_session(session)


async def _commit_session(session: AsyncSession) -> None:
    """Commit; a COMMIT refused by the database is no longer counted as possible."""
    count_commit()
    try:
        await session.commit()
    except _DATABASE_ERRORS as error:
        if not _is_rolled_back(error):
            raise Fault(
                "opslag_niet_bereikbaar", private=f"{_describe_error(error)}. {_COMMIT_UNKNOWN_TEXT}"
            ) from error
        discount_commit()
        raise


def _is_rolled_back(error: BaseException) -> bool:
    """Return True if the server reported a failed transaction and was not shutting down."""
    state = find_sqlstate(error)
    return state is not None and state[:2] not in _COMMIT_IN_DOUBT_CLASSES and state != _COMPLETION_UNKNOWN_SQLSTATE


@contextmanager
def translate_database_errors() -> Iterator[None]:
    """Translate database errors to Fault `opslag_niet_bereikbaar`, including connections refused by our guard."""
    try:
        yield
    except Fault as fault:
        if fault.code not in CONNECTION_FAULTS:
            raise
        raise Fault("opslag_niet_bereikbaar", private=f"{fault.code}: {fault.private}") from fault
    except _DATABASE_ERRORS as error:
        # The kind of error only: its text may quote row values.
        raise Fault("opslag_niet_bereikbaar", private=_describe_error(error)) from error


def _describe_error(error: BaseException) -> str:
    state = find_sqlstate(error)
    return f"{type(error).__name__} {state}" if state else type(error).__name__


async def _open_transaction(request: Request) -> AsyncIterator[AsyncSession]:
    async with unit_of_work(choose_sessions(request)) as session:
        yield session


# scope="function": the tail (commit) runs before the response is sent. With the default scope a failed commit
# would already have told the client 200.
Transaction = Annotated[AsyncSession, Depends(_open_transaction, scope="function")]
