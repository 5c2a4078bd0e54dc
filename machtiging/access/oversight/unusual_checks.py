"""Look-ups by agencies on one day that differ from the ordinary, from the journal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from statistics import median
from typing import Any

from sqlalchemy import CTE, ColumnElement, Date, Select, Text, cast, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct
from machtiging.audit.tables import JournalIntake, JournalLine
from machtiging.kernel.clock import AMSTERDAM
from machtiging.storage.columns import table_of

_TABLES = (table_of(JournalLine), table_of(JournalIntake))


def select_checks(period: tuple[datetime, datetime], limit: int) -> CTE:
    """Select the questions of agencies in a period, the newest of each table."""
    pages = [
        select(table.c.id, table.c.occurred_at, table.c.for_person_id, _read_oin(table).label("oin"))
        .where(table.c.occurred_at >= period[0], table.c.occurred_at < period[1])
        .where(table.c.act == JournalAct.VERIFICATIE_GEVRAAGD.value)
        .order_by(table.c.occurred_at.desc())
        .limit(limit)
        .subquery()
        .select()
        for table in _TABLES
    ]
    return union_all(*pages).cte("checks")


def select_busy_agencies(checks: CTE, threshold: int, limit: int) -> Select[Any]:
    """Select the agencies that asked this often, the highest count first."""
    return _select_counts(checks, [checks.c.oin], threshold).limit(limit)


def select_checked_people(checks: CTE, threshold: int, limit: int) -> Select[Any]:
    """Select who was asked about this often by one agency, the highest count first."""
    people = _select_counts(checks, [checks.c.oin, checks.c.for_person_id], threshold)
    return people.where(checks.c.for_person_id.is_not(None)).limit(limit)


async def load_ordinary_checks(
    session: AsyncSession, oins: Sequence[str], period: tuple[datetime, datetime], limit: int
) -> dict[str, int]:
    """Load the median number of questions of the days with questions, by agency."""
    if not oins:
        return {}
    checks = select_checks(period, limit)
    day = cast(func.timezone(AMSTERDAM.key, checks.c.occurred_at), Date)
    query = select(checks.c.oin, func.count().label("number")).where(checks.c.oin.in_(oins))
    counts: dict[str, list[int]] = {}
    for row in await session.execute(query.group_by(checks.c.oin, day)):
        counts.setdefault(row.oin, []).append(row.number)
    return {oin: round(median(days)) for oin, days in counts.items()}


def _select_counts(checks: CTE, group: list[ColumnElement[Any]], threshold: int) -> Select[Any]:
    ids: ColumnElement[Any] = func.array_agg(aggregate_order_by(checks.c.id, checks.c.occurred_at.desc(), checks.c.id))
    counted = select(*group, func.count().label("number"), ids[1].label("reference")).group_by(*group)
    return counted.having(func.count() >= threshold).order_by(func.count().desc(), *group)


def _read_oin(table: Any) -> ColumnElement[str]:
    oin: ColumnElement[str] = table.c.facts.op("->>", return_type=Text())(literal("afzender", Text))
    return oin
