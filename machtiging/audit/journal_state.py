"""The state of the journal: its last signed head, and the lines that wait."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.tables import JournalHead, JournalIntake
from machtiging.storage.columns import table_of

# A count stops here, so that an overview costs the same however many lines wait.
MAX_COUNTED = 10_000
_INTAKE, _HEAD = table_of(JournalIntake), table_of(JournalHead)


@dataclass(frozen=True, slots=True)
class JournalState:
    """The last signed head, and the number of lines not sealed.

    `sealed_lines` and `signed_at` are None while nothing is sealed. `waiting` is at most MAX_COUNTED.
    `oldest_waiting_at` is None if none waits.
    """

    sealed_lines: int | None
    signed_at: datetime | None
    waiting: int
    oldest_waiting_at: datetime | None


async def load_journal_state(session: AsyncSession) -> JournalState:
    """Load the state of the journal in one statement."""
    some = select(_INTAKE.c.occurred_at).order_by(_INTAKE.c.intake_number).limit(MAX_COUNTED).subquery()
    last = select(_HEAD.c.seq, _HEAD.c.signed_at).order_by(_HEAD.c.seq.desc()).limit(1).subquery()
    waiting = select(func.count().label("waiting"), func.min(some.c.occurred_at).label("oldest")).subquery()
    joined = waiting.outerjoin(last, last.c.seq.is_not(None))
    row = (await session.execute(select(waiting, last).select_from(joined))).one()
    return JournalState(row.seq, row.signed_at, row.waiting, row.oldest)
