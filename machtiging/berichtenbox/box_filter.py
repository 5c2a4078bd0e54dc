"""Filters on the list of letters: unread letters, a folder, and the archive."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, false

from machtiging.access.permit import ListingPermit
from machtiging.berichtenbox.queries import BERICHT, READER_MARK
from machtiging.delegation.rules import Capacity

# A letter is in one folder at most. The archive is a folder too, so the API shows and sets it as any other.
ARCHIVE_FOLDER = "Archief"


@dataclass(frozen=True, slots=True)
class BoxFilter:
    """A filter on the list of letters; by default every letter. Folders and archive exist in the own box only."""

    unread: bool = False
    folder: str | None = None
    without_archive: bool = False


WHOLE_BOX = BoxFilter()


def filter_conditions(permit: ListingPermit, box_filter: BoxFilter) -> list[ColumnElement[bool]]:
    """Return the SQL conditions of a filter, for the reader of this Permit."""
    own = permit.capacity is Capacity.SELF
    where: list[ColumnElement[bool]] = []
    if box_filter.unread:
        mark = exists().where(READER_MARK.c.bericht_id == BERICHT.c.id, READER_MARK.c.person_id == permit.actor_id)
        where.append(BERICHT.c.read_at.is_(None) if own else ~mark)
    if box_filter.folder is not None:
        where.append(BERICHT.c.folder == box_filter.folder if own else false())
    if box_filter.without_archive and own:
        where.append(BERICHT.c.folder.is_distinct_from(ARCHIVE_FOLDER))
    return where
