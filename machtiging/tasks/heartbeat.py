"""Heartbeats of workers: each renews its row, so that an absent worker is noticed.

All times are those of the database, so the clocks of two machines are never compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.storage.columns import table_of
from machtiging.tasks.tables import WorkerHeartbeat

HEARTBEAT_SECONDS = 10.0
LATE_AFTER = timedelta(minutes=1)
_RETENTION = timedelta(days=1)
_TABLE = table_of(WorkerHeartbeat)
_NOW = func.clock_timestamp()


@dataclass(frozen=True, slots=True)
class WorkerPresence:
    """The workers seen within a minute, and the problems that they report.

    `last_seen_ago`: time since the last heartbeat of any worker; None if none is stored.
    """

    workers: int
    last_seen_ago: timedelta | None
    problems: Mapping[str, str]


async def write_heartbeat(session: AsyncSession, worker_id: UUID, problems: Mapping[str, str]) -> None:
    """Renew the row of this worker. Deletes rows of workers that were not seen for a day."""
    row = {"id": worker_id, "started_at": _NOW, "seen_at": _NOW, "problems": dict(problems)}
    writing = insert(_TABLE).values(row)
    renewed = {"seen_at": writing.excluded.seen_at, "problems": writing.excluded.problems}
    await session.execute(writing.on_conflict_do_update(index_elements=[_TABLE.c.id], set_=renewed))
    await session.execute(delete(_TABLE).where(_TABLE.c.seen_at < _NOW - _RETENTION))


async def delete_heartbeat(session: AsyncSession, worker_id: UUID) -> None:
    """Delete the row of a worker that stops."""
    await session.execute(delete(_TABLE).where(_TABLE.c.id == worker_id))


async def load_presence(session: AsyncSession) -> WorkerPresence:
    """Load the presence of the workers of this database."""
    ages = select((_NOW - _TABLE.c.seen_at).label("age"), _TABLE.c.problems).order_by(_TABLE.c.seen_at.desc())
    rows = (await session.execute(ages)).all()
    present = [row for row in rows if row.age <= LATE_AFTER]
    problems = {name: text for row in reversed(present) for name, text in row.problems.items()}
    return WorkerPresence(len(present), rows[0].age if rows else None, problems)
