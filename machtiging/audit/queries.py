"""Read journal lines by person or by machtiging, sealed or not yet sealed.

Lines are kept forever, so every value that the columns allow can be read. Instants outside Python's range are clamped.
Facts that are not a JSON object become empty.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    Text,
    cast,
    func,
    literal,
    null,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.canonical import TIMESTAMPTZ, clamp_instant
from machtiging.audit.rules import LINE_COLUMNS
from machtiging.audit.tables import JournalIntake, JournalLine
from machtiging.storage.columns import table_of

_intake = table_of(JournalIntake)
_journal = table_of(JournalLine)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One journal line. `seq` is its number, None until it is sealed."""

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
    format: int
    on_behalf_of: UUID | None
    trace_id: str | None
    seq: int | None


@dataclass(frozen=True, slots=True)
class JournalCursor:
    """The cursor of keyset pagination: the next page has lines older than this id.

    `occurred_at` is used when no line of the same person or machtiging has that id.
    """

    occurred_at: datetime
    id: UUID


async def load_lines_for_person(
    session: AsyncSession, person_id: UUID, *, limit: int = 100, before: datetime | JournalCursor | None = None
) -> list[JournalEntry]:
    """Load the lines about a person, newest first. `before` is the last line of the previous page."""
    return await _load_newest(session, "for_person_id", person_id, limit, before)


async def load_lines_for_machtiging(
    session: AsyncSession, machtiging_id: UUID, *, limit: int = 100, before: datetime | JournalCursor | None = None
) -> list[JournalEntry]:
    """Load the lines under a machtiging, newest first."""
    return await _load_newest(session, "machtiging_id", machtiging_id, limit, before)


async def load_lines_about_object(
    session: AsyncSession, person_id: UUID, object_id: str, instants: Collection[datetime]
) -> list[JournalEntry]:
    """Load the lines about a person and an object at these instants."""

    def select_lines(table: FromClause, seq: ColumnElement[Any]) -> Select[Any]:
        about = (table.c.for_person_id == person_id, table.c.object_id == object_id)
        lines = select(*(table.c[name] for name in LINE_COLUMNS), seq.label("seq"))
        return lines.where(*about, table.c.occurred_at.in_(instants))

    both = union_all(select_lines(_journal, _journal.c.seq), select_lines(_intake, cast(null(), BigInteger))).subquery()
    return [
        _build_entry(dict(row)) for row in (await session.execute(select(*map(_readable_column, both.c)))).mappings()
    ]


async def _load_newest(
    session: AsyncSession, column: str, value: UUID, limit: int, before: datetime | JournalCursor | None
) -> list[JournalEntry]:
    # One statement means one snapshot: a line that is sealed concurrently appears exactly once.
    sealed = _select_page(
        _journal, _journal.c.seq, _journal.c[column] == value, limit, _cursor_position(column, value, before)
    )
    waiting = cast(null(), BigInteger)
    unsealed = _select_page(
        _intake, waiting, _intake.c[column] == value, limit, _cursor_position(column, value, before)
    )
    both = union_all(sealed.subquery().select(), unsealed.subquery().select()).subquery()
    newest = select(*map(_readable_column, both.c)).order_by(both.c.occurred_at.desc(), both.c.id.desc()).limit(limit)
    return [_build_entry(dict(row)) for row in (await session.execute(newest)).mappings()]


def _readable_column(column: ColumnElement[Any]) -> ColumnElement[Any]:
    if column.key == "occurred_at":
        return clamp_instant(column).label("occurred_at")
    return cast(column, Text).label("facts") if column.key == "facts" else column


def _build_entry(row: Mapping[str, Any]) -> JournalEntry:
    return JournalEntry(**{**row, "facts": parse_facts(row["facts"])})


def parse_facts(text: str) -> dict[str, Any]:
    """Parse the facts. Returns an empty dict if they are not an object, or too large for Python."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _cursor_position(
    column: str, value: UUID, before: datetime | JournalCursor | None
) -> tuple[ColumnElement[Any], UUID | None] | None:
    """Return the cursor position: an instant and an id. The id orders lines with the same instant."""
    if before is None:
        return None
    if isinstance(before, datetime):
        return literal(before, TIMESTAMPTZ), None
    # The instant comes from the line itself, since a URL may not be able to express it.
    cursor_fields = [
        select(table.c.occurred_at).where(table.c.id == before.id, table.c[column] == value).scalar_subquery()
        for table in (_journal, _intake)
    ]
    return func.coalesce(*cursor_fields, literal(before.occurred_at, TIMESTAMPTZ)), before.id


def _select_page(
    table: FromClause,
    seq: ColumnElement[Any],
    about: ColumnElement[bool],
    limit: int,
    before: tuple[ColumnElement[Any], UUID | None] | None,
) -> Select[Any]:
    lines = select(*(table.c[name] for name in LINE_COLUMNS), seq.label("seq")).where(about)
    if before is not None and before[1] is not None:
        lines = lines.where(tuple_(table.c.occurred_at, table.c.id) < tuple_(*before))
    elif before is not None:
        lines = lines.where(table.c.occurred_at < before[0])
    return lines.order_by(table.c.occurred_at.desc(), table.c.id.desc()).limit(limit)
