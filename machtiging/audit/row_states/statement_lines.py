"""The one-time statement: seal each existing row, and journal what it is then.

For rows from before their table had a MAC or stood in the journal. A line marks the begin and the end for each table;
after the end, a row without a line is a finding.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Text, literal, select, tuple_, union, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, attribute_to_operator, record
from machtiging.audit.row_states.journalled_table import (
    ROW_NOT_JOURNALLED,
    ROW_UNSEALED,
    JournalledTable,
    literal_key,
    load_journalled_rows,
)
from machtiging.audit.state_facts import PersonalWords, state_facts
from machtiging.audit.tables import JournalIntake, JournalLine
from machtiging.crypto.envelope_encryption import KEY_BYTES, DataKey
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import MAC_COLUMN, SealedTable, format_primary_key, get_row_keys, seal_row

_TABLE_KIND = "tabel"
_BEGUN, _RESUMED, _FINISHED, _STATED = "begonnen", "hervat", "afgerond", "toestand_bij_invoering"
_journal_tables = (table_of(JournalLine), table_of(JournalIntake))
# Loads the data keys of these parties. One whose key was destroyed is absent.
DataKeyLoader = Callable[[AsyncSession, frozenset[UUID]], Awaitable[Mapping[UUID, DataKey]]]


@dataclass(slots=True)
class StatementResult:
    """The number of rows that were sealed and stated, and the keys of invalid rows.

    An invalid row stays as it is.
    """

    count: int = 0
    invalid: list[str] = field(default_factory=list)
    finished: bool = False


async def _load_marked_tables(session: AsyncSession, *reasons: str) -> frozenset[str]:
    marks = [
        select(table.c.object_id).where(
            table.c.act == literal(JournalAct.RIJ_VERZEGELD.value, Text),
            table.c.object_kind == _TABLE_KIND,
            table.c.reason.in_(reasons),
        )
        for table in _journal_tables
    ]
    return frozenset(name for name in await session.scalars(union(*marks)) if name is not None)


async def load_stated_tables(session: AsyncSession) -> frozenset[str]:
    """Return the names of the tables whose rows have all been sealed and stated."""
    return await _load_marked_tables(session, _FINISHED)


async def find_unstated_tables(session: AsyncSession, tables: Sequence[JournalledTable]) -> list[JournalledTable]:
    """Return the tables that have rows, and whose rows have not all been stated."""
    if not tables:
        return []
    stated = await load_stated_tables(session)
    return [
        table
        for table in tables
        if table.name not in stated
        and await session.scalar(select(literal(1)).select_from(table.sealed.table).limit(1)) is not None
    ]


async def mark_empty_tables(session: AsyncSession, tables: Sequence[JournalledTable], *, at: datetime) -> None:
    """Mark the tables without rows as finished: a new installation has nothing to state."""
    stated = await load_stated_tables(session)
    unfinished = {table.name for table in await find_unstated_tables(session, tables)}
    for table in tables:
        if table.name not in stated | unfinished:
            await mark_finished(session, table, at=at, operator=None)


async def mark_begin(session: AsyncSession, table: JournalledTable, *, at: datetime, operator: str | None) -> None:
    """Journal that the statement of a table begins, or goes on after an interruption."""
    is_resumed = table.name in await _load_marked_tables(session, _BEGUN)
    await _mark_table(session, table, _RESUMED if is_resumed else _BEGUN, at, operator)


async def mark_finished(session: AsyncSession, table: JournalledTable, *, at: datetime, operator: str | None) -> None:
    """Journal that every row of a table has been stated."""
    await _mark_table(session, table, _FINISHED, at, operator)


async def _mark_table(
    session: AsyncSession, table: JournalledTable, reason: str, at: datetime, operator: str | None
) -> None:
    line = NewJournalLine(
        JournalAct.RIJ_VERZEGELD, JournalOutcome.DONE, reason, object_kind=_TABLE_KIND, object_id=table.name
    )
    await record(session, attribute_to_operator(line, operator), at=at)


async def state_next_rows(
    session: AsyncSession,
    table: JournalledTable,
    after: Sequence[Any] | None,
    load_data_keys: DataKeyLoader,
    result: StatementResult,
    *,
    limit: int,
    at: datetime,
) -> list[Any] | None:
    """Seal and state one batch of rows, in one transaction. Returns the key to go on after; None at the end.

    Rows that were stated before are passed over, so an interrupted run can be repeated. `result` is counted up.
    """
    sealed = table.sealed
    locked = await _lock_batch(session, sealed, after, limit)
    rows = await load_journalled_rows(session, sealed, limit=limit, among=locked) if locked else []
    keys = get_row_keys(session)
    problems = [(row, row.find_problem(keys)) for row in rows]
    waiting = [row.row for row, problem in problems if problem in (ROW_UNSEALED, ROW_NOT_JOURNALLED)]
    result.invalid += [row.key for row, problem in problems if problem not in (None, ROW_UNSEALED, ROW_NOT_JOURNALLED)]
    data_keys = await load_data_keys(session, _find_key_owners(table, waiting))
    for row in waiting:
        sealed_row = seal_row(session, sealed, row)
        await session.execute(
            update(sealed.table)
            .where(*(sealed.table.c[name] == row[name] for name in sealed.key))
            .values({MAC_COLUMN: sealed_row[MAC_COLUMN]})
        )
        await record(session, _build_statement_line(table, sealed_row, data_keys), at=at)
    result.count += len(waiting)
    return list(locked[-1]) if len(locked) == limit else None


async def _lock_batch(
    session: AsyncSession, sealed: SealedTable, after: Sequence[Any] | None, limit: int
) -> list[Sequence[Any]]:
    """Lock the next rows against changes, and return their keys."""
    key = [sealed.table.c[name] for name in sealed.key]
    page = select(*key).order_by(*key).limit(limit).with_for_update(key_share=True)
    if after is not None:
        page = page.where(tuple_(*key) > literal_key(sealed, after))
    return [tuple(row) for row in await session.execute(page)]


def _find_key_owners(table: JournalledTable, rows: Sequence[Mapping[str, Any]]) -> frozenset[UUID]:
    if table.data_key_column is None or not table.sealed.personal:
        return frozenset()
    return frozenset(row[table.data_key_column] for row in rows if row[table.data_key_column] is not None)


def _build_statement_line(
    table: JournalledTable, row: Mapping[str, Any], data_keys: Mapping[UUID, DataKey]
) -> NewJournalLine:
    person_id: UUID | None = None if table.person_column is None else row[table.person_column]
    owner: UUID | None = None if table.data_key_column is None else row[table.data_key_column]
    owner = owner or UUID(int=0)
    # Words of a party without a data key are encrypted with a key that nobody keeps.
    personal = PersonalWords(owner, data_keys.get(owner) or DataKey(secrets.token_bytes(KEY_BYTES)))
    return NewJournalLine(
        JournalAct.RIJ_VERZEGELD,
        JournalOutcome.DONE,
        _STATED,
        for_person_id=person_id,
        machtiging_id=None if table.machtiging_column is None else row[table.machtiging_column],
        object_kind=table.name,
        object_id=format_primary_key(table.sealed, row),
        facts=state_facts([(table.sealed, row)], personal),
    )
