"""Use that differs from the ordinary, from the journal of one day. A row names no person and no letter.

Each row has the id of its newest journal line as reference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from statistics import median
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Date, Select, and_, cast, func, select, union_all
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.oversight.unusual_checks import (
    load_ordinary_checks,
    select_busy_agencies,
    select_checked_people,
    select_checks,
)
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.tables import JournalIntake, JournalLine
from machtiging.kernel.clock import AMSTERDAM, end_of_day
from machtiging.storage.columns import table_of


class UnusualRule(StrEnum):
    """A rule of unusual use."""

    MANY_LETTERS = "veel_brieven"
    AT_NIGHT = "nacht"
    REFUSALS = "weigeringen"
    MANY_MACHTIGINGEN = "veel_machtigingen"
    MANY_CHECKS = "veel_controles"
    CHECKS_OF_PERSON = "controles_van_een"


# From how many on a day a rule gives a row. ISO/IEC 27002:2022, control 8.16, asks for a baseline of normal use, with
# the frequency and the time of access. The numbers are our own: a working day has about thirty letters.
THRESHOLDS: Mapping[UnusualRule, int] = {
    UnusualRule.MANY_LETTERS: 50,
    UnusualRule.AT_NIGHT: 5,
    UnusualRule.REFUSALS: 20,
    UnusualRule.MANY_MACHTIGINGEN: 10,
    UnusualRule.MANY_CHECKS: 1_000,
    UnusualRule.CHECKS_OF_PERSON: 20,
}
# MANY_LETTERS and MANY_CHECKS also need so many times the median of the own days with reading, in the days before.
TIMES_ORDINARY = 3
ORDINARY_DAYS = 28
# The night is from midnight until this hour, on Dutch clocks.
NIGHT_ENDS_AT_HOUR = 5
# The newest lines of the day that are looked at, in each of the two tables of the journal.
MAX_LINES = 200_000
MAX_ROWS = 200
_TABLES = (table_of(JournalLine), table_of(JournalIntake))
_COLUMNS = ("id", "occurred_at", "act", "outcome", "actor_id", "for_person_id", "object_id", "on_behalf_of")


@dataclass(frozen=True, slots=True)
class UnusualUse:
    """A count of one actor, agency or person on one day.

    `ordinary`: the median of the days before; None if the rule compares nothing.
    """

    rule: UnusualRule
    count: int
    reference: UUID
    ordinary: int | None = None


@dataclass(frozen=True, slots=True)
class UnusualDay:
    """The rows of one day, the highest count first.

    `complete`: False if the day has more than MAX_LINES lines, or a rule more than MAX_ROWS rows.
    """

    rows: Sequence[UnusualUse]
    complete: bool


async def find_unusual_use(session: AsyncSession, day: date) -> UnusualDay:
    """Find what was unusual on this Dutch calendar day. Six statements, and two for the days before."""
    period = datetime.combine(day, time(), AMSTERDAM), end_of_day(day)
    lines = _select_day(period)
    total = await session.scalar(select(func.count()).select_from(lines))
    letters = await _find_many_letters(session, lines, period[0])
    others = [
        UnusualUse(rule, row.number, row.reference)
        for rule, query in (
            (UnusualRule.AT_NIGHT, _select_night(lines)),
            (UnusualRule.REFUSALS, _select_refusals(lines)),
            (UnusualRule.MANY_MACHTIGINGEN, _select_accepting(lines)),
        )
        for row in await session.execute(query)
    ]
    rows = [*letters, *others, *await _find_unusual_checks(session, period)]
    is_cut = any(count >= MAX_ROWS for count in Counter(row.rule for row in rows).values())
    return UnusualDay(rows, complete=(total or 0) < MAX_LINES and not is_cut)


async def _find_unusual_checks(session: AsyncSession, period: tuple[datetime, datetime]) -> list[UnusualUse]:
    """Find agencies that ask far more than ordinarily, and people asked about often."""
    checks = select_checks(period, MAX_LINES)
    many, of_person = UnusualRule.MANY_CHECKS, UnusualRule.CHECKS_OF_PERSON
    agencies = (await session.execute(select_busy_agencies(checks, THRESHOLDS[many], MAX_ROWS))).all()
    before = period[0] - timedelta(days=ORDINARY_DAYS), period[0]
    ordinary = await load_ordinary_checks(session, [row.oin for row in agencies], before, ORDINARY_DAYS * MAX_LINES)
    people = await session.execute(select_checked_people(checks, THRESHOLDS[of_person], MAX_ROWS))
    found = [
        UnusualUse(many, row.number, row.reference, ordinary=ordinary.get(row.oin, 0))
        for row in agencies
        if row.number >= TIMES_ORDINARY * ordinary.get(row.oin, 0)
    ]
    return found + [UnusualUse(of_person, row.number, row.reference) for row in people]


def _select_day(period: tuple[datetime, datetime]) -> CTE:
    """Select the lines of people on this day, the newest MAX_LINES of each table."""
    pages = [
        select(*(table.c[name] for name in _COLUMNS))
        .where(table.c.occurred_at >= period[0], table.c.occurred_at < period[1], table.c.actor_id.is_not(None))
        .order_by(table.c.occurred_at.desc())
        .limit(MAX_LINES)
        .subquery()
        .select()
        for table in _TABLES
    ]
    return union_all(*pages).cte("lines")


def _is_letter_of_client(lines: Any) -> ColumnElement[bool]:
    """Build the condition that an employee opened a letter or a bijlage of a client."""
    opening = (JournalAct.BERICHT_LEZEN.value, JournalAct.BERICHT_DOWNLOADEN.value)
    is_read = lines.c.act.in_(opening) & (lines.c.outcome == JournalOutcome.ALLOWED.value)
    return and_(is_read, lines.c.on_behalf_of.is_not(None), lines.c.for_person_id.is_distinct_from(lines.c.actor_id))


def _newest_id(lines: Any) -> ColumnElement[UUID]:
    """Build the id of the newest line of a group."""
    ids: ColumnElement[Any] = func.array_agg(aggregate_order_by(lines.c.id, lines.c.occurred_at.desc(), lines.c.id))
    return ids[1].label("reference")


def _select_counts(lines: Any, counted: ColumnElement[int], rule: UnusualRule, *conditions: Any) -> Select[Any]:
    """Select the actors that reach the threshold of a rule, the highest count first."""
    return (
        select(lines.c.actor_id, counted.label("number"), _newest_id(lines))
        .where(*conditions)
        .group_by(lines.c.actor_id)
        .having(counted >= THRESHOLDS[rule])
        .order_by(counted.desc(), lines.c.actor_id)
        .limit(MAX_ROWS)
    )


async def _find_many_letters(session: AsyncSession, lines: CTE, before: datetime) -> list[UnusualUse]:
    """Find employees who read more than the threshold, and many times their own ordinary days."""
    rule, letters = UnusualRule.MANY_LETTERS, func.count(func.distinct(lines.c.object_id))
    # All of them: the comparison below comes before the limit. MAX_LINES bounds their number.
    reached = _select_counts(lines, letters, rule, _is_letter_of_client(lines)).limit(None)
    rows = (await session.execute(reached)).all()
    ordinary = await _load_ordinary_days(session, [row.actor_id for row in rows], before)
    return [
        UnusualUse(rule, row.number, row.reference, ordinary=ordinary.get(row.actor_id, 0))
        for row in rows
        if row.number >= TIMES_ORDINARY * ordinary.get(row.actor_id, 0)
    ][:MAX_ROWS]


async def _load_ordinary_days(session: AsyncSession, actor_ids: Sequence[UUID], before: datetime) -> dict[UUID, int]:
    """Load the median number of letters of the days with reading, by actor."""
    if not actor_ids:
        return {}
    pages = [
        select(table.c.actor_id, table.c.object_id, table.c.occurred_at).where(
            table.c.actor_id.in_(actor_ids),
            table.c.occurred_at >= before - timedelta(days=ORDINARY_DAYS),
            table.c.occurred_at < before,
            table.c.for_person_id.is_not(None),
            _is_letter_of_client(table),
        )
        for table in _TABLES
    ]
    earlier = union_all(*pages).subquery()
    day = cast(func.timezone(AMSTERDAM.key, earlier.c.occurred_at), Date)
    query = select(earlier.c.actor_id, func.count(func.distinct(earlier.c.object_id)).label("number"))
    counts: dict[UUID, list[int]] = {}
    for row in await session.execute(query.group_by(earlier.c.actor_id, day)):
        counts.setdefault(row.actor_id, []).append(row.number)
    return {actor_id: round(median(days)) for actor_id, days in counts.items()}


def _select_night(lines: CTE) -> Select[Any]:
    hour = func.extract("hour", func.timezone(AMSTERDAM.key, lines.c.occurred_at))
    letters = func.count(func.distinct(lines.c.object_id))
    return _select_counts(lines, letters, UnusualRule.AT_NIGHT, _is_letter_of_client(lines), hour < NIGHT_ENDS_AT_HOUR)


def _select_refusals(lines: CTE) -> Select[Any]:
    """Select the longest rows of refusals without anything allowed between, by actor."""
    refused = lines.c.outcome == JournalOutcome.REFUSED.value
    allowed_before = func.count().filter(~refused)
    streak = allowed_before.over(partition_by=lines.c.actor_id, order_by=(lines.c.occurred_at, lines.c.id))
    numbered = select(lines, streak.label("streak"), refused.label("refused")).subquery()
    streaks = (
        select(numbered.c.actor_id, func.count().label("number"), _newest_id(numbered))
        .where(numbered.c.refused)
        .group_by(numbered.c.actor_id, numbered.c.streak)
        .having(func.count() >= THRESHOLDS[UnusualRule.REFUSALS])
    )
    return streaks.order_by(func.count().desc(), numbered.c.actor_id).limit(MAX_ROWS)


def _select_accepting(lines: CTE) -> Select[Any]:
    """Select who got a machtiging of many different people."""
    people = func.count(func.distinct(lines.c.for_person_id))
    accepted = lines.c.act == JournalAct.MACHTIGING_AANGENOMEN.value
    done = lines.c.outcome == JournalOutcome.DONE.value
    return _select_counts(lines, people, UnusualRule.MANY_MACHTIGINGEN, accepted, done)
