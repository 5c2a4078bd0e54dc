"""Counts of what one person did for others from an organisation, per Dutch day. They name nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Date, cast, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.tables import JournalIntake, JournalLine
from machtiging.kernel.clock import AMSTERDAM
from machtiging.storage.columns import table_of

MAX_ROWS = 500
_MAX_LINES = 50_000
_TABLES = (table_of(JournalLine), table_of(JournalIntake))


@dataclass(frozen=True, slots=True)
class DayOfActs:
    """The equal acts of one day. `people`: the number of different people that they were about."""

    day: date
    act: str
    outcome: str
    times: int
    people: int


async def count_acts_for_others(
    session: AsyncSession, actor_id: UUID, period: tuple[datetime, datetime]
) -> Sequence[DayOfActs]:
    """Count the acts of this person for others, the newest day first. In one statement."""
    pages = [
        select(*(table.c[name] for name in ("occurred_at", "act", "outcome", "for_person_id")))
        .where(
            table.c.actor_id == actor_id,
            table.c.on_behalf_of.is_not(None),
            table.c.for_person_id.is_not(None),
            table.c.for_person_id != actor_id,
            table.c.occurred_at >= period[0],
            table.c.occurred_at < period[1],
        )
        .order_by(table.c.occurred_at.desc())
        .limit(_MAX_LINES)
        .subquery()
        .select()
        for table in _TABLES
    ]
    lines = union_all(*pages).subquery()
    day = cast(func.timezone(AMSTERDAM.key, lines.c.occurred_at), Date)
    times, people = func.count(), func.count(func.distinct(lines.c.for_person_id))
    query = select(day.label("day"), lines.c.act, lines.c.outcome, times.label("times"), people.label("people"))
    query = query.group_by(day, lines.c.act, lines.c.outcome)
    rows = await session.execute(query.order_by(day.desc(), lines.c.act, lines.c.outcome).limit(MAX_ROWS))
    return [DayOfActs(row.day, row.act, row.outcome, row.times, row.people) for row in rows]
