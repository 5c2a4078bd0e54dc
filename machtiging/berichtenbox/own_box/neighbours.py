"""The next newer and the next older letter in the own box."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ScalarSelect, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.berichtenbox.queries import BERICHT, in_box_conditions
from machtiging.berichtenbox.rules import ARCHIVE_FOLDER
from machtiging.kernel.ids import PersonId


class Neighbours(NamedTuple):
    """The next newer and the next older letter. None at an end of the list."""

    newer: UUID | None
    older: UUID | None


async def find_neighbours(
    session: AsyncSession, owner_id: PersonId, place: tuple[datetime, UUID], *, folder: str | None, at: datetime
) -> Neighbours:
    """Find the neighbours of the letter at this place. An archived letter has archived neighbours, another has not."""
    key = tuple_(BERICHT.c.published_at, BERICHT.c.id)
    shelf = (
        BERICHT.c.folder == ARCHIVE_FOLDER
        if folder == ARCHIVE_FOLDER
        else BERICHT.c.folder.is_distinct_from(ARCHIVE_FOLDER)
    )
    own = (BERICHT.c.ontvanger_id == owner_id, shelf, *in_box_conditions(at))

    def find_first(condition: Any, *order: Any) -> ScalarSelect[Any]:
        return select(BERICHT.c.id).where(*own, condition).order_by(*order).limit(1).scalar_subquery()

    newer = find_first(key > tuple_(*place), BERICHT.c.published_at, BERICHT.c.id)
    older = find_first(key < tuple_(*place), BERICHT.c.published_at.desc(), BERICHT.c.id.desc())
    row = (await session.execute(select(newer.label("newer"), older.label("older")))).one()
    return Neighbours(row.newer, row.older)
