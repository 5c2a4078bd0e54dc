"""Journal lines for tests of the journal."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record

SOMEBODY = UUID(int=1)


def make_journal_line(**changes: Any) -> NewJournalLine:
    """A plain line: somebody was allowed to read a letter."""
    values: dict[str, Any] = {"act": JournalAct.BERICHT_LEZEN, "outcome": JournalOutcome.ALLOWED, "reason": "regel_1"}
    return NewJournalLine(**{**values, "for_person_id": SOMEBODY, **changes})


async def record_journal_lines(database: Any, clock: Any, count: int, **changes: Any) -> list[UUID]:
    """Record and commit this many lines."""
    async with database.sessions.begin() as session:
        return [
            await record(session, make_journal_line(object_id=str(number), **changes), at=clock.now())
            for number in range(count)
        ]
