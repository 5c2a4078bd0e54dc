"""Journal lines for tests, and ways of tampering that only a superuser has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.storage.engine import make_engine

SOMEBODY = UUID(int=1)
# The order of rows that were added and not changed since. Of two ids of one millisecond either may be the lower.
AS_WRITTEN = "ORDER BY xmin::text::bigint, cmin::text::bigint, id"


def a_line(**changes: Any) -> NewJournalLine:
    """A plain line: somebody was allowed to read a letter."""
    values: dict[str, Any] = {"act": JournalAct.BERICHT_LEZEN, "outcome": JournalOutcome.ALLOWED, "reason": "regel_1"}
    return NewJournalLine(**{**values, "for_person_id": SOMEBODY, **changes})


async def lines_are_written(database: Any, clock: Any, count: int, **changes: Any) -> list[UUID]:
    """Record and commit this many lines."""
    async with database.sessions.begin() as session:
        return [
            await record(session, a_line(object_id=str(number), **changes), at=clock.now()) for number in range(count)
        ]


@asynccontextmanager
async def tampering(database: Any) -> AsyncIterator[AsyncConnection]:
    """A superuser's connection with the triggers off, committed at the end: the attacker that the chain is against."""
    engine = make_engine(database.url, None, pool_size=1)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
            yield connection
    finally:
        await engine.dispose()
