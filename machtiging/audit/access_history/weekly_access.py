"""Counts, per week and actor, of the acts of others on a person's letters.

The weeks are those of the Dutch calendar, from Monday. One statement reads at most `MAX_LINES` lines, the newest.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Date, FromClause, Select, Subquery, and_, case, cast, func, literal, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.canonical import TIMESTAMPTZ
from machtiging.audit.journal import OPERATOR
from machtiging.audit.tables import JournalIntake, JournalLine
from machtiging.kernel.clock import AMSTERDAM
from machtiging.storage.columns import table_of

MAX_LINES = 10_000
_TABLES = (table_of(JournalLine), table_of(JournalIntake))
_COLUMNS = ("occurred_at", "act", "outcome", "actor_id", "capacity", "client_id", "object_id")


@dataclass(frozen=True, slots=True)
class WeekCount:
    """The acts of one actor in one week. `actor_id` is None for an app by itself and for an operator.

    `letters` and `attachments`: different ones opened. `lists`: lists seen. `others`: other acts on letters.
    """

    week: date
    actor_id: UUID | None
    is_operator: bool
    client_id: str | None
    letters: int
    attachments: int
    lists: int
    others: int
    refusals: int


@dataclass(frozen=True, slots=True)
class WeeklyAccess:
    """The counts, newest week first. `counted_from` is None when every line of the period was counted."""

    counts: list[WeekCount]
    counted_from: datetime | None


async def load_weekly_access(
    session: AsyncSession, person_id: UUID, period: tuple[datetime, datetime], excluded_acts: Collection[str]
) -> WeeklyAccess:
    """Load the counts of others in this period. Refusals are those of all acts but the excluded ones."""
    lines = _select_newest_lines(person_id, period).cte("lines")
    totals = select(func.count().label("total"), func.min(lines.c.occurred_at).label("oldest")).subquery()
    groups = _select_groups(lines, person_id, excluded_acts)
    both = select(totals, groups).select_from(totals.join(groups, true(), isouter=True))
    rows = (await session.execute(both.order_by(groups.c.week.desc()))).all()
    counts = [
        WeekCount(row.week, row.actor, row.is_operator, row.app, *row[-5:]) for row in rows if row.week is not None
    ]
    return WeeklyAccess(counts, rows[0].oldest if rows[0].total >= MAX_LINES else None)


def _select_newest_lines(person_id: UUID, period: tuple[datetime, datetime]) -> Select[tuple[object, ...]]:
    starts_at, ends_at = (literal(at, TIMESTAMPTZ) for at in period)
    pages = [
        select(*(table.c[name] for name in _COLUMNS))
        .where(table.c.for_person_id == person_id, table.c.occurred_at >= starts_at, table.c.occurred_at < ends_at)
        .order_by(table.c.occurred_at.desc())
        .limit(MAX_LINES)
        .subquery()
        .select()
        for table in _TABLES
    ]
    both = union_all(*pages).subquery()
    return both.select().order_by(both.c.occurred_at.desc()).limit(MAX_LINES)


def _select_groups(lines: FromClause, person_id: UUID, excluded_acts: Collection[str]) -> Subquery:
    week = cast(func.date_trunc("week", func.timezone(AMSTERDAM.key, lines.c.occurred_at)), Date)
    is_operator = func.coalesce(lines.c.capacity == OPERATOR, literal(value=False))
    actor = case((is_operator, None), else_=lines.c.actor_id)
    app = case((and_(lines.c.actor_id.is_(None), ~is_operator), lines.c.client_id))
    refused = lines.c.outcome == JournalOutcome.REFUSED.value
    on_letter = and_(~refused, lines.c.act.startswith("bericht:"))
    reads, downloads, listings = (
        and_(~refused, lines.c.act == act.value)
        for act in (JournalAct.BERICHT_LEZEN, JournalAct.BERICHT_DOWNLOADEN, JournalAct.BERICHT_LIJST)
    )
    counted_acts = (JournalAct.BERICHT_LEZEN.value, JournalAct.BERICHT_DOWNLOADEN.value, JournalAct.BERICHT_LIJST.value)
    each_object = func.distinct(lines.c.object_id)
    return (
        select(
            week.label("week"),
            actor.label("actor"),
            is_operator.label("is_operator"),
            app.label("app"),
            func.count(each_object).filter(reads).label("letters"),
            func.count(each_object).filter(downloads).label("attachments"),
            func.count().filter(listings).label("lists"),
            func.count().filter(and_(on_letter, lines.c.act.not_in(counted_acts))).label("others"),
            func.count().filter(refused).label("refusals"),
        )
        .where(
            lines.c.actor_id.is_distinct_from(person_id),
            lines.c.act.not_in(sorted(excluded_acts)),
            on_letter | refused,
        )
        .group_by("week", "actor", "is_operator", "app")
        .subquery()
    )
