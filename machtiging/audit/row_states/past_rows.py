"""Past rows: rows of journalled tables at an instant, rebuilt from the journal.

The tables only say which rows there are. A row of which one line is forged, or of which the newest line is not the one
that the table names, is not rebuilt: its history is not complete. `audit verify` finds a line that was removed between
two others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    LargeBinary,
    Row,
    Select,
    Text,
    Uuid,
    cast,
    func,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from machtiging.audit.canonical import MAX_INSTANT, clamp_instant
from machtiging.audit.queries import parse_facts
from machtiging.audit.row_states.journalled_table import (
    ROW_NOT_JOURNALLED,
    ROW_REVERTED,
    SEALED_LINES,
    STATE_LINE_FORGED,
    WAITING_LINES,
    StoredLine,
    format_key_in_sql,
)
from machtiging.audit.state_facts import STATE, RowState, read_states, rebuild_state, state_seal_verifies
from machtiging.storage.row_mac import MAC_COLUMN, RowKeys, SealedTable, get_row_keys

# The journal has lines of the row, but not all of them.
HISTORY_INCOMPLETE = "geschiedenis_onvolledig"
# Every answer has these columns: a row of a table has the first two, a line of the journal the others.
_FIELDS: Mapping[str, TypeEngine[Any]] = {
    "key": Text(),
    "mac": LargeBinary(),
    "id": Uuid(),
    "occurred_at": DateTime(timezone=True),
    "facts": Text(),
    "rank": Integer(),
    "place": BigInteger(),
}


class PastTable(NamedTuple):
    """A journalled table to rebuild: its rows that are wanted.

    `instants` are columns with the instant of an act, never changed once set. The last state of a row names them, so
    the state at a later instant has them too.
    """

    sealed: SealedTable
    condition: ColumnElement[bool]
    instants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PastRows:
    """The rows at an instant, and the reasons why some are not rebuilt.

    Both are by `format_row_key`. A key in neither is of a row that did not exist yet, or that was not wanted.
    """

    rows: Mapping[str, RowState]
    problems: Mapping[str, str]


@dataclass(slots=True)
class _Findings:
    """The answer of the statement. `macs` are those in the tables; `lines` have the order of the chain."""

    macs: dict[str, bytes | None] = field(default_factory=dict)
    lines: list[StoredLine] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)


async def load_past_rows(
    session: AsyncSession, tables: Sequence[PastTable], *, at: datetime, expected: Collection[str] = ()
) -> PastRows:
    """Rebuild the rows of these tables as they stood at an instant, in one statement.

    `expected` are keys of rows that the journal may know although the table has them no longer. Words of a person stay
    encrypted (`state_facts.UNREADABLE`). Raises Fault `rijsleutel_ontbreekt`.
    """
    rows = (await session.execute(_select_rows_and_lines(tables, expected))).all()
    found = _sort_answer(rows, get_row_keys(session))
    then, last = rebuild_state(found.lines, at), rebuild_state(found.lines, MAX_INSTANT)
    named = _collect_macs(found.lines)
    instants = {table.sealed.table.name: table.instants for table in tables}
    for key, mac in found.macs.items():
        problem = _find_problem(mac, last.get(key), named.get(key, ()))
        if problem is None and key in last and _lacks_instant(last[key], then.get(key), instants, at):
            problem = HISTORY_INCOMPLETE
        if problem is not None:
            found.problems.setdefault(key, problem)
    return PastRows({key: row for key, row in then.items() if key not in found.problems}, found.problems)


def _find_problem(mac: bytes | None, last: RowState | None, named: Sequence[bytes]) -> str | None:
    """Return the reason why the newest line is of another row; else None."""
    if last is None:
        return None if mac is None else ROW_NOT_JOURNALLED
    if mac == last.mac:
        return None
    return ROW_REVERTED if mac in named else HISTORY_INCOMPLETE


def _lacks_instant(
    last: RowState, then: RowState | None, instants: Mapping[str, tuple[str, ...]], at: datetime
) -> bool:
    """Return True if the state at `at` lacks an earlier act of the last state."""
    for name in instants[last.table]:
        moment = last.row.get(name)
        if isinstance(moment, datetime) and moment <= at and (then is None or then.row.get(name) != moment):
            return True
    return False


def _collect_macs(lines: Iterable[StoredLine]) -> dict[str, list[bytes]]:
    """Collect every MAC that a row ever had."""
    named: dict[str, list[bytes]] = {}
    for line in lines:
        for entry in read_states(line):
            named.setdefault(entry["sleutel"], []).append(bytes.fromhex(entry[MAC_COLUMN]))
    return named


def _sort_answer(rows: Sequence[Row[Any]], keys: RowKeys) -> _Findings:
    """Sort the answer in rows and lines. A forged line is left out, and every row that it names has a problem."""
    found = _Findings()
    for row in rows:
        if row.key is not None:
            found.macs[row.key] = found.macs.get(row.key) or row.mac
    line_ids: set[UUID] = set()
    for row in sorted((row for row in rows if row.id is not None), key=lambda one: (one.rank, one.place)):
        line = StoredLine(row.id, row.occurred_at, parse_facts(row.facts))
        # A copy of an older line has a valid seal: a line stands in the journal once.
        if line.id not in line_ids and state_seal_verifies(keys, line):
            found.lines.append(line)
        else:
            found.problems |= dict.fromkeys(_find_named_keys(line, found.macs), STATE_LINE_FORGED)
        line_ids.add(line.id)
    return found


def _find_named_keys(line: StoredLine, wanted: Collection[str]) -> Collection[str]:
    """Find the wanted rows that a forged line names. All of them, if that cannot be read."""
    entries = line.facts.get(STATE)
    entries = entries if isinstance(entries, list) else []
    named = [entry["sleutel"] for entry in entries if isinstance(entry, dict) and "sleutel" in entry]
    return [key for key in wanted if key in named] or wanted


def _select_rows_and_lines(tables: Sequence[PastTable], expected: Collection[str]) -> Any:
    """Select the wanted rows and every line that names one. One statement, so both are of one snapshot."""
    chosen: list[Select[Any]] = [
        select(format_key_in_sql(sealed.table, sealed).label("key"), sealed.table.c[MAC_COLUMN].label("mac")).where(
            condition
        )
        for sealed, condition, _ in tables
    ]
    names = func.unnest(literal(sorted(expected), ARRAY(Text()))).column_valued("name")
    chosen.append(select(names.label("key"), cast(null(), LargeBinary).label("mac")))
    wanted = union_all(*chosen).cte("wanted")
    keys = select(func.array_agg(wanted.c.key)).scalar_subquery()
    parts = [_select_fields(key=wanted.c.key, mac=wanted.c.mac).select_from(wanted)]
    for rank, source in enumerate((SEALED_LINES, WAITING_LINES)):
        table = source.table
        named = source.keys.op("?|")(keys)
        fields = _select_fields(
            id=table.c.id,
            occurred_at=clamp_instant(table.c.occurred_at),
            facts=cast(table.c.facts, Text),
            rank=literal(rank, Integer()),
            place=source.place,
        )
        parts.append(fields.select_from(table).where(source.has_state, named))
    return union_all(*parts)


def _select_fields(**values: ColumnElement[Any]) -> Select[Any]:
    return select(*(values.get(name, cast(null(), kind)).label(name) for name, kind in _FIELDS.items()))
