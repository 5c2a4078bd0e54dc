"""The history of a row: all journal lines with its state."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, Text, cast, literal, literal_column, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.canonical import clamp_instant
from machtiging.audit.queries import parse_facts
from machtiging.audit.row_states.journalled_table import SEALED_LINES, WAITING_LINES, StoredLine
from machtiging.audit.state_facts import state_seal_verifies
from machtiging.storage.row_mac import RowKeys

_SEALED_FIRST: ColumnElement[int] = literal_column("0")
_WAITING_LAST: ColumnElement[int] = literal_column("1")


class RowHistory(NamedTuple):
    """The lines with state of a row, in the order of the chain.

    `invalid_count` lines are left out. Their seal does not verify: somebody added them by SQL, or their key is gone.
    """

    lines: list[StoredLine]
    invalid_count: int


async def load_row_history(session: AsyncSession, keys: RowKeys, key: str) -> RowHistory:
    """Load the history of the row with this key (`audit.state_facts.format_row_key`)."""
    sources = []
    for rank, source in ((_SEALED_FIRST, SEALED_LINES), (_WAITING_LAST, WAITING_LINES)):
        table = source.table
        fields = [table.c.id, clamp_instant(table.c.occurred_at).label("occurred_at"), cast(table.c.facts, Text)]
        place = [rank.label("rank"), source.place.label("place")]
        named = source.keys.op("?")(literal(key, Text))
        sources.append(select(*fields, *place).where(source.has_state, named))
    both = union_all(*sources).subquery()
    found = await session.execute(select(both).order_by(both.c.rank, both.c.place))
    lines = [StoredLine(row.id, row.occurred_at, parse_facts(row.facts)) for row in found]
    valid = [line for line in lines if state_seal_verifies(keys, line)]
    return RowHistory(valid, len(lines) - len(valid))
