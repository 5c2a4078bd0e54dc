"""Journalled tables: the whole state of their rows stands in the journal.

A row is read together with the newest line that names it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    LargeBinary,
    Select,
    Subquery,
    Table,
    Text,
    cast,
    func,
    lateral,
    literal,
    literal_column,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.canonical import clamp_instant
from machtiging.audit.queries import parse_facts
from machtiging.audit.state_facts import format_row_key, read_states, state_columns, state_seal_verifies
from machtiging.audit.tables import JournalIntake, JournalLine
from machtiging.kernel.errors import ROW_INVALID
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import MAC_COLUMN, RowKeys, SealedTable

# Reasons of a row that is not what the journal says.
ROW_REVERTED = "rij_teruggezet"
ROW_NOT_JOURNALLED = "rij_niet_in_journaal"
STATE_LINE_FORGED = "journaalregel_ongeldig"
ROW_UNSEALED = "rij_niet_verzegeld"
_intake = table_of(JournalIntake)
_journal = table_of(JournalLine)
_LINE_FIELDS = ("id", "occurred_at", "facts")


class _LineSource(NamedTuple):
    """A table of lines, with what a line names and its place."""

    table: Table
    has_state: ColumnElement[bool]
    keys: ColumnElement[Any]
    place: ColumnElement[int]


# The conditions are those of the index `ix_journal_state`. "+ 0", because the planner would else read the journal
# backwards until it meets the row.
SEALED_LINES = _LineSource(
    _journal,
    literal_column("journal.facts ? 'toestand'"),
    literal_column("jsonb_path_query_array(journal.facts, '$.toestand[*].sleutel')"),
    literal_column("journal.seq + 0"),
)
WAITING_LINES = _LineSource(
    _intake,
    literal_column("journal_intake.facts ? 'toestand'"),
    literal_column("jsonb_path_query_array(journal_intake.facts, '$.toestand[*].sleutel')"),
    literal_column("journal_intake.intake_number"),
)


@dataclass(frozen=True, slots=True)
class JournalledTable:
    """A sealed table of which every change writes the whole row into the journal.

    The other fields are for the line that states a row once: the person and the machtiging that it is about, and the
    party whose data key encrypts its personal words.
    """

    sealed: SealedTable
    person_column: str | None = None
    machtiging_column: str | None = None
    data_key_column: str | None = None

    @property
    def name(self) -> str:
        """The name of the table."""
        return self.sealed.table.name


@dataclass(frozen=True, slots=True)
class StoredLine:
    """A journal line with the state of rows."""

    id: UUID
    occurred_at: datetime
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JournalledRow:
    """A row with the newest line that names it; None if there is none."""

    sealed: SealedTable
    row: Mapping[str, Any]
    line: StoredLine | None

    @property
    def key(self) -> str:
        """Table and primary key, as state facts name them."""
        return format_row_key(self.sealed, self.row)

    def find_problem(self, keys: RowKeys) -> str | None:
        """Return the reason why the row differs from the journal; None if it does not."""
        mac = self.row[MAC_COLUMN]
        if not mac:
            return ROW_UNSEALED
        if not keys.row_mac_verifies(mac, self.sealed.encode_row(self.row)):
            return ROW_INVALID
        if self.line is None:
            return ROW_NOT_JOURNALLED
        if not state_seal_verifies(keys, self.line):
            return STATE_LINE_FORGED
        names = [entry[MAC_COLUMN] for entry in read_states(self.line) if entry["sleutel"] == self.key]
        return None if names and names[-1] == mac.hex() else ROW_REVERTED


async def load_journalled_rows(
    session: AsyncSession,
    sealed: SealedTable,
    *,
    limit: int,
    after: Sequence[Any] | None = None,
    among: Sequence[Sequence[Any]] | None = None,
) -> list[JournalledRow]:
    """Load rows in the order of their key, each with its newest line.

    One statement, so row and line are of one snapshot. `after` is the key of the last row of the batch before; `among`
    are the keys of the rows that are wanted.
    """
    table = sealed.table
    key = [table.c[name] for name in sealed.key]
    columns = [table.c[name] for name in (*state_columns(sealed), MAC_COLUMN)]
    page = select(*columns).order_by(*key).limit(limit)
    if after is not None:
        page = page.where(tuple_(*key) > literal_key(sealed, after))
    if among is not None:
        page = page.where(tuple_(*key).in_([tuple(one) for one in among]))
    return [
        _build_row(sealed, dict(row)) for row in (await session.execute(_join_newest_lines(sealed, page))).mappings()
    ]


def literal_key(sealed: SealedTable, values: Sequence[Any]) -> ColumnElement[Any]:
    """Build a primary key as a row of literals, to compare with the columns."""
    types = [sealed.table.c[name].type for name in sealed.key]
    return tuple_(*(literal(value, kind) for value, kind in zip(values, types, strict=True)))


def _join_newest_lines(sealed: SealedTable, page: Select[Any]) -> Select[Any]:
    """Join each row of the page with its newest waiting line, or sealed line."""
    rows = page.subquery("rows")
    waiting, stored = _select_newest(rows, sealed, WAITING_LINES), _select_newest(rows, sealed, SEALED_LINES)
    fields = [func.coalesce(waiting.c[name], stored.c[name]).label(f"line_{name}") for name in _LINE_FIELDS]
    return (
        select(*rows.c, *fields)
        .select_from(rows.outerjoin(waiting, true()).outerjoin(stored, true()))
        .order_by(*(rows.c[name] for name in sealed.key))
    )


def _select_newest(rows: Subquery, sealed: SealedTable, source: _LineSource) -> Any:
    """Select the newest line that names a row."""
    table = source.table
    fields = [table.c.id, clamp_instant(table.c.occurred_at), cast(table.c.facts, Text)]
    labelled = [field.label(name) for field, name in zip(fields, _LINE_FIELDS, strict=True)]
    names_row = source.keys.op("?")(format_key_in_sql(rows, sealed))
    newest_first = select(*labelled).where(source.has_state, names_row).order_by(source.place.desc()).limit(1)
    return lateral(newest_first, name=f"newest_{table.name}")


def format_key_in_sql(rows: FromClause, sealed: SealedTable) -> ColumnElement[str]:
    """Format the key as `format_row_key` does. `rows` has the columns of the key."""
    parts = (
        func.encode(rows.c[name], "hex") if isinstance(sealed.table.c[name].type, LargeBinary) else rows.c[name]
        for name in sealed.key
    )
    return func.concat_ws(":", literal(sealed.table.name, Text), *(cast(part, Text) for part in parts))


def _build_row(sealed: SealedTable, row: dict[str, Any]) -> JournalledRow:
    if row["line_id"] is None:
        return JournalledRow(sealed, row, None)
    line = StoredLine(row["line_id"], row["line_occurred_at"], parse_facts(row["line_facts"]))
    return JournalledRow(sealed, row, line)
