"""Row check: compares rows with the journal, again and again.

A row put back to older content has a valid MAC; but a newer journal line names another one.

A background task reads one batch of one table at a time, in the order of the key, and begins again at the end. Each
finding is journalled once, and is an error in the log. While there are findings the task fails, so `ready` names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Text, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.audit.row_states.journalled_table import (
    ROW_NOT_JOURNALLED,
    ROW_UNSEALED,
    JournalledRow,
    JournalledTable,
    load_journalled_rows,
)
from machtiging.audit.row_states.statement_lines import load_stated_tables
from machtiging.audit.tables import JournalIntake, JournalLine
from machtiging.kernel.clock import Clock
from machtiging.kernel.errors import Fault
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import MAC_COLUMN, RowKeys, format_primary_key
from machtiging.storage.unit_of_work import unit_of_work

BATCH_SIZE = 500
# Not problems until every row of the table was sealed and stated once.
_EXPECTED_BEFORE_STATEMENT = frozenset({ROW_UNSEALED, ROW_NOT_JOURNALLED})
# Advisory lock: one check at a time per database, so that a finding is journalled once. An arbitrary, fixed number.
_TRY_CHECK_LOCK = select(func.pg_try_advisory_xact_lock(5403621))
_MAX_KEYS_NAMED = 5
_journal_tables = (table_of(JournalLine), table_of(JournalIntake))
_log = structlog.get_logger(__name__)


class RowCheck:
    """The check of one process: its place in the tables, and what it found."""

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        keys: RowKeys,
        clock: Clock,
        tables: Sequence[JournalledTable],
        batch_size: int = BATCH_SIZE,
    ) -> None:
        self._sessions, self._keys, self._clock = sessions, keys, clock
        self._tables, self._batch_size = tuple(tables), batch_size
        self._place = 0
        self._after: list[Any] | None = None
        self.findings: dict[str, str] = {}

    async def check_next_batch(self) -> None:
        """Check one batch, unless another worker is checking. Raises Fault `rijen_wijken_af` while rows differ."""
        if not self._tables:
            return
        async with unit_of_work(self._sessions) as session:
            if await session.scalar(_TRY_CHECK_LOCK):
                await self._check_batch(session, self._tables[self._place])
        if self.findings:
            some = ", ".join(f"{key} ({reason})" for key, reason in sorted(self.findings.items())[:_MAX_KEYS_NAMED])
            raise Fault("rijen_wijken_af", private=f"{len(self.findings)} rows are not what the journal says: {some}")

    async def _check_batch(self, session: AsyncSession, table: JournalledTable) -> None:
        rows = await load_journalled_rows(session, table.sealed, limit=self._batch_size, after=self._after)
        stated = table.name in await load_stated_tables(session)
        for row in rows:
            problem = find_row_problem(row, self._keys, stated=stated)
            if problem is None:
                self.findings.pop(row.key, None)
            elif self.findings.get(row.key) != problem:
                self.findings[row.key] = problem
                await self._report_problem(session, row, problem)
        if len(rows) == self._batch_size:
            self._after = [rows[-1].row[name] for name in table.sealed.key]
        else:
            self._place, self._after = (self._place + 1) % len(self._tables), None

    async def _report_problem(self, session: AsyncSession, row: JournalledRow, problem: str) -> None:
        """Log the row, and journal it unless a line about the same content exists."""
        name = format_primary_key(row.sealed, row.row)
        _log.error("row_differs_from_journal", table=row.sealed.table.name, key=name, reason=problem)
        line = NewJournalLine(
            act=JournalAct.RIJ_GEWEIGERD,
            outcome=JournalOutcome.REFUSED,
            reason=problem,
            object_kind=row.sealed.table.name,
            object_id=name,
            facts={"mac": row.row[MAC_COLUMN].hex(), "regel": None if row.line is None else str(row.line.id)},
        )
        if not await _is_journalled(session, line):
            await record(session, line, at=self._clock.now())


def find_row_problem(row: JournalledRow, keys: RowKeys, *, stated: bool) -> str | None:
    """Return the problem of a row; None if it has none. `stated`: the rows of the table were all stated once."""
    problem = row.find_problem(keys)
    return None if not stated and problem in _EXPECTED_BEFORE_STATEMENT else problem


async def _is_journalled(session: AsyncSession, line: NewJournalLine) -> bool:
    facts = line.facts
    lines = [
        select(literal(1)).where(
            table.c.act == literal(line.act.value, Text),
            table.c.object_kind == line.object_kind,
            table.c.object_id == line.object_id,
            table.c.reason == line.reason,
            _read_text_fact(table.c.facts, "mac") == facts["mac"],
            func.coalesce(_read_text_fact(table.c.facts, "regel"), "") == (facts["regel"] or ""),
        )
        for table in _journal_tables
    ]
    return await session.scalar(union_all(*lines).limit(1)) is not None


def _read_text_fact(facts: ColumnElement[Any], name: str) -> ColumnElement[str]:
    return facts.op("->>", return_type=Text())(literal(name, Text))
