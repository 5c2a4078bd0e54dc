"""Reading the journal back: about whom, or under which machtiging. Sealed and still waiting lines look the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, FromClause, Select, cast, null, select, tuple_, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.rules import COLUMNS
from machtiging.audit.tables import JournalIntake, JournalLine

_intake = JournalIntake.__table__  # type: ignore[attr-defined]
_journal = JournalLine.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One line. `seq` is its number once it has been sealed."""

    id: UUID
    occurred_at: datetime
    act: str
    outcome: str
    reason: str
    actor_id: UUID | None
    capacity: str | None
    client_id: str | None
    for_person_id: UUID | None
    machtiging_id: UUID | None
    object_kind: str | None
    object_id: str | None
    policy_digest: str | None
    request_id: str
    facts: dict[str, Any]
    seq: int | None


@dataclass(frozen=True, slots=True)
class Before:
    """Where the next page begins: lines older than this one. Several lines may share an instant, hence the id."""

    occurred_at: datetime
    id: UUID


async def lines_about(
    session: AsyncSession, person_id: UUID, *, limit: int = 100, before: datetime | Before | None = None
) -> list[JournalEntry]:
    """What was done or tried for this person, newest first. `before` is the last line of the page before."""
    return await _newest(session, "for_person_id", person_id, limit, before)


async def lines_under(
    session: AsyncSession, machtiging_id: UUID, *, limit: int = 100, before: datetime | Before | None = None
) -> list[JournalEntry]:
    """What was done or tried under this machtiging, newest first."""
    return await _newest(session, "machtiging_id", machtiging_id, limit, before)


async def _newest(
    session: AsyncSession, column: str, value: UUID, limit: int, before: datetime | Before | None
) -> list[JournalEntry]:
    # One statement, so one snapshot: a line that is being sealed meanwhile is seen once, on one side or the other.
    sealed = _page(_journal, _journal.c.seq, _journal.c[column] == value, limit, before)
    waiting = _page(_intake, cast(null(), BigInteger), _intake.c[column] == value, limit, before)
    both = union_all(sealed.subquery().select(), waiting.subquery().select()).subquery()
    newest = select(both).order_by(both.c.occurred_at.desc(), both.c.id.desc()).limit(limit)
    return [JournalEntry(**row) for row in (await session.execute(newest)).mappings()]


def _page(
    table: FromClause, seq: ColumnElement[Any], about: ColumnElement[bool], limit: int, before: datetime | Before | None
) -> Select[Any]:
    lines = select(*(table.c[name] for name in COLUMNS), seq.label("seq")).where(about)
    if isinstance(before, Before):
        lines = lines.where(tuple_(table.c.occurred_at, table.c.id) < tuple_(before.occurred_at, before.id))
    elif before is not None:
        lines = lines.where(table.c.occurred_at < before)
    return lines.order_by(table.c.occurred_at.desc(), table.c.id.desc()).limit(limit)
