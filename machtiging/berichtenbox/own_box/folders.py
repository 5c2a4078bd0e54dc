"""Count the letters of a box by folder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.berichtenbox.queries import BERICHT, in_box_conditions
from machtiging.berichtenbox.rules import ARCHIVE_FOLDER
from machtiging.kernel.ids import PersonId


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the citizen, and the number of its letters."""

    name: str
    letters: int


@dataclass(frozen=True, slots=True)
class BoxCounts:
    """The folders without the archive, in alphabetical order, and the unread letters outside the archive."""

    folders: list[Folder]
    unread: int


async def count_box(session: AsyncSession, owner_id: PersonId, *, at: datetime) -> BoxCounts:
    """Count the letters of the own box by folder."""
    unread = func.count().filter(BERICHT.c.read_at.is_(None))
    counted = select(BERICHT.c.folder, func.count().label("letters"), unread.label("unread"))
    counted = counted.where(BERICHT.c.ontvanger_id == owner_id, *in_box_conditions(at)).group_by(BERICHT.c.folder)
    rows = [row for row in await session.execute(counted) if row.folder != ARCHIVE_FOLDER]
    folders = [Folder(row.folder, row.letters) for row in rows if row.folder is not None]
    folders.sort(key=lambda folder: (folder.name.casefold(), folder.name))
    return BoxCounts(folders, sum(row.unread for row in rows))
