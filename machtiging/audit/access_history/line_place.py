"""The place of a line in the sealed journal: number, hash and signed head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, FromClause, LargeBinary, Select, Text, cast, null, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.canonical import clamp_instant
from machtiging.audit.queries import parse_facts
from machtiging.audit.tables import JournalHead, JournalIntake, JournalLine
from machtiging.storage.columns import table_of

_intake, _journal, _head = table_of(JournalIntake), table_of(JournalLine), table_of(JournalHead)


@dataclass(frozen=True, slots=True)
class JournalLinePlace:
    """A line with its place. `seq` and `hash` are None until it is sealed, `head` is the signature of a later head."""

    occurred_at: datetime
    act: str
    outcome: str
    reason: str
    facts: Mapping[str, Any]
    seq: int | None
    hash: bytes | None
    head: str | None


async def load_line_place(session: AsyncSession, line_id: UUID) -> JournalLinePlace | None:
    """Load a line with its place; None if there is no such line."""
    sealed = _select_line(_journal, line_id, _journal.c.seq, _journal.c.hash)
    waiting = _select_line(_intake, line_id, cast(null(), BigInteger), cast(null(), LargeBinary))
    line = union_all(sealed, waiting).subquery("line")
    later = select(_head.c.signature).where(_head.c.seq >= line.c.seq).order_by(_head.c.seq).limit(1)
    row = (await session.execute(select(line, later.scalar_subquery().label("head")))).mappings().first()
    return None if row is None else JournalLinePlace(**{**row, "facts": parse_facts(row["facts"])})


def _select_line(table: FromClause, line_id: UUID, seq: Any, line_hash: Any) -> Select[Any]:
    words = (table.c.act, table.c.outcome, table.c.reason, cast(table.c.facts, Text).label("facts"))
    at = clamp_instant(table.c.occurred_at).label("occurred_at")
    return select(at, *words, seq.label("seq"), line_hash.label("hash")).where(table.c.id == line_id)
