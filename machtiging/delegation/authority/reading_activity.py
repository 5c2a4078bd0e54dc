"""Letters read under machtigingen, from the journal of one citizen."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Subquery, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.canonical import clamp_instant
from machtiging.audit.tables import JournalIntake, JournalLine
from machtiging.delegation.tables import MachtigingRow
from machtiging.kernel.ids import PersonId
from machtiging.storage.columns import table_of

_LINES = (table_of(JournalLine), table_of(JournalIntake))
_MACHTIGING = table_of(MachtigingRow)
_READ_ACTS = (JournalAct.BERICHT_LIJST.value, JournalAct.BERICHT_LEZEN.value, JournalAct.BERICHT_DOWNLOADEN.value)
_FIELDS = ("id", "occurred_at", "act", "outcome", "actor_id", "object_id")


@dataclass(frozen=True, slots=True)
class ReadingCount:
    """The number of letters read under one machtiging, and the last time."""

    letters: int
    last_read_at: datetime


@dataclass(frozen=True, slots=True)
class ReadingLine:
    """One act on the post of the citizen under a machtiging."""

    occurred_at: datetime
    act: str
    is_refused: bool
    actor_id: PersonId | None
    object_id: str | None


async def count_letters_read(
    session: AsyncSession, giver_id: PersonId, machtiging_ids: Collection[UUID], *, since: datetime
) -> dict[UUID, ReadingCount]:
    """Count the letters that were read since then under each of these, in one statement.

    What an employee read counts for the machtiging that the citizen gave.
    """
    if not machtiging_ids:
        return {}
    lines = _select_lines(
        giver_id, act=JournalAct.BERICHT_LEZEN.value, outcome=JournalOutcome.ALLOWED.value, since=since
    ).subquery()
    parent = _MACHTIGING.alias("parent")
    root_id = func.coalesce(parent.c.parent_id, _MACHTIGING.c.parent_id, _MACHTIGING.c.id).label("root_id")
    joined = lines.join(_MACHTIGING, _MACHTIGING.c.id == lines.c.machtiging_id).outerjoin(
        parent, parent.c.id == _MACHTIGING.c.parent_id
    )
    letters, last = func.count(func.distinct(lines.c.object_id)), func.max(lines.c.occurred_at)
    counting = select(root_id, letters.label("letters"), last.label("last")).select_from(joined).group_by(root_id)
    found = await session.execute(counting)
    return {row.root_id: ReadingCount(row.letters, row.last) for row in found if row.root_id in machtiging_ids}


async def load_reading_lines(
    session: AsyncSession, giver_id: PersonId, machtiging_ids: Collection[UUID], *, limit: int
) -> list[ReadingLine]:
    """Load the newest acts on the post of this citizen under these machtigingen."""
    pages = []
    for table in _LINES:
        mine = (
            table.c.machtiging_id.in_(machtiging_ids),
            table.c.for_person_id == giver_id,
            table.c.act.in_(_READ_ACTS),
        )
        page = select(*(table.c[name] for name in _FIELDS)).where(*mine)
        pages.append(page.order_by(table.c.occurred_at.desc(), table.c.id.desc()).limit(limit).subquery().select())
    both: Subquery = union_all(*pages).subquery()
    shown = (clamp_instant(both.c.occurred_at).label("occurred_at"), *(both.c[name] for name in _FIELDS[2:]))
    newest = select(*shown).order_by(both.c.occurred_at.desc(), both.c.id.desc()).limit(limit)
    return [
        ReadingLine(row.occurred_at, row.act, row.outcome == JournalOutcome.REFUSED, row.actor_id, row.object_id)
        for row in await session.execute(newest)
    ]


def _select_lines(giver_id: PersonId, *, act: str, outcome: str, since: datetime) -> Any:
    """Build the select of the sealed and unsealed lines of one act."""

    def select_from_table(table: Any) -> Select[Any]:
        fields = (table.c.machtiging_id, table.c.object_id, clamp_instant(table.c.occurred_at).label("occurred_at"))
        mine = (table.c.for_person_id == giver_id, table.c.occurred_at >= since)
        return select(*fields).where(*mine, table.c.act == act, table.c.outcome == outcome)

    return union_all(*(select_from_table(table) for table in _LINES))
