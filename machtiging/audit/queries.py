"""Read journal lines by person or by machtiging, sealed or not yet sealed.

Lines are kept forever, so every value that the columns allow can be read. Instants outside Python's range are clamped.
Facts that are not a JSON object become empty.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    Text,
    and_,
    cast,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalOutcome
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


@dataclass(frozen=True, slots=True)
class LineFilter:
    """Conditions on journal lines, all of which must hold. The default admits every line.

    `involved_id`: the actor or the machtiging. `actor_id`: the actor only. `organisation_id`: the organisation for
    which the actor acted, about a person. `about_id`: that person. `object_ids`: a select of one text column.
    `period`: begin, and end (exclusive). `on_letters`: only acts on letters, or only all others.
    """

    involved_id: UUID | None = None
    act_prefixes: Collection[str] = ()
    excluded_acts: Collection[str] = ()
    only_refused: bool = False
    object_ids: Select[Any] | None = None
    period: tuple[datetime, datetime] | None = None
    actor_id: UUID | None = None
    organisation_id: UUID | None = None
    about_id: UUID | None = None
    acts: Collection[str] = ()
    on_letters: bool | None = None

    def build_conditions(self, table: FromClause) -> list[ColumnElement[bool]]:
        """Return the conditions for one of the journal tables."""
        conditions: list[ColumnElement[bool]] = []
        if self.involved_id is not None:
            conditions.append(or_(table.c.actor_id == self.involved_id, table.c.machtiging_id == self.involved_id))
        if self.actor_id is not None:
            conditions.append(table.c.actor_id == self.actor_id)
        if self.organisation_id is not None:
            conditions += [table.c.on_behalf_of == self.organisation_id, table.c.for_person_id.is_not(None)]
        if self.about_id is not None:
            conditions.append(table.c.for_person_id == self.about_id)
        if self.act_prefixes:
            conditions.append(or_(*(table.c.act.startswith(one, autoescape=True) for one in self.act_prefixes)))
        if self.excluded_acts:
            conditions.append(table.c.act.not_in(sorted(self.excluded_acts)))
        if self.acts:
            conditions.append(table.c.act.in_(sorted(self.acts)))
        if self.on_letters is not None:
            # In the words of the partial indexes, which a parameter would hide.
            conditions.append(table.c.act.op("~~" if self.on_letters else "!~~")(literal_column("'bericht:%'")))
        if self.only_refused:
            conditions.append(table.c.outcome == JournalOutcome.REFUSED.value)
        if self.object_ids is not None:
            conditions.append(table.c.object_id.in_(self.object_ids))
        if self.period is not None:
            starts_at, ends_at = (literal(at, TIMESTAMPTZ) for at in self.period)
            conditions += [table.c.occurred_at >= starts_at, table.c.occurred_at < ends_at]
        return conditions


EVERY_LINE = LineFilter()


async def load_lines_for_person(
    session: AsyncSession,
    person_id: UUID,
    *,
    limit: int = 100,
    before: datetime | JournalCursor | None = None,
    where: LineFilter = EVERY_LINE,
) -> list[JournalEntry]:
    """Load the lines about a person, newest first. `before` is the last line of the previous page."""
    return await _load_newest(session, "for_person_id", person_id, limit, before, where)


async def load_lines_for_machtiging(
    session: AsyncSession, machtiging_id: UUID, *, limit: int = 100, before: datetime | JournalCursor | None = None
) -> list[JournalEntry]:
    """Load the lines under a machtiging, newest first."""
    return await _load_newest(session, "machtiging_id", machtiging_id, limit, before)


async def load_lines_of_employee(
    session: AsyncSession,
    actor_id: UUID,
    organisation_id: UUID,
    *,
    limit: int = 100,
    before: JournalCursor | None = None,
    where: LineFilter = EVERY_LINE,
) -> list[JournalEntry]:
    """Load the lines about people for whom an employee acted, newest first. They have an index of their own."""
    acted = replace(where, organisation_id=organisation_id)
    return await _load_newest(session, "actor_id", actor_id, limit, before, acted)


async def load_lines_of_organisation(
    session: AsyncSession,
    organisation_id: UUID,
    *,
    limit: int = 100,
    before: JournalCursor | None = None,
    where: LineFilter,
) -> list[JournalEntry]:
    """Load the lines of acts on behalf of an organisation, newest first.

    `where` says whether on letters: each kind has an index of its own.
    """
    return await _load_newest(session, "on_behalf_of", organisation_id, limit, before, where)


async def find_actor_of_line(session: AsyncSession, line_id: UUID) -> UUID | None:
    """Find the person who acted in a journal line; None without either."""
    found = union_all(*(select(table.c.actor_id).where(table.c.id == line_id) for table in (_journal, _intake)))
    actor_id: UUID | None = (await session.execute(found)).scalars().first()
    return actor_id


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
    session: AsyncSession,
    column: str,
    value: UUID,
    limit: int,
    before: datetime | JournalCursor | None,
    where: LineFilter = EVERY_LINE,
) -> list[JournalEntry]:
    # One statement means one snapshot: a line that is sealed concurrently appears exactly once.
    position = _cursor_position(column, value, before)
    sealed, unsealed = (
        _select_page(table, seq, and_(table.c[column] == value, *where.build_conditions(table)), limit, position)
        for table, seq in ((_journal, _journal.c.seq), (_intake, cast(null(), BigInteger)))
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
