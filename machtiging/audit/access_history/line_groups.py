"""Journal lines of a person, with equal lines of one minute grouped and counted.

A flood of equal requests must not hide other lines. The journal itself keeps all of them. A page is built from a window
of lines. The window grows only when many lines are equal, so the cost does not depend on the length of the journal.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.queries import EVERY_LINE, JournalCursor, JournalEntry, LineFilter, load_lines_for_person

# Sizes of the window of lines read for one page. The last size is the maximum.
WINDOW_SIZES = (120, 1_000, 5_000)
_MINUTE = timedelta(minutes=1)
# An instant outside these years may be clamped, and so differ from that of the stored line.
_PLAUSIBLE_YEARS = range(2001, 2100)


@dataclass(frozen=True, slots=True)
class LineGroup:
    """The newest line of a group of equal lines, and their number."""

    line: JournalEntry
    count: int


@dataclass(frozen=True, slots=True)
class GroupedPage:
    """A page of groups, newest first. `older`: the line at which the next page begins; None at the end."""

    groups: list[LineGroup]
    older: JournalEntry | None


async def load_line_groups(
    session: AsyncSession,
    person_id: UUID,
    *,
    limit: int,
    before: JournalCursor | None = None,
    where: LineFilter = EVERY_LINE,
) -> GroupedPage:
    """Load at most `limit` groups of equal lines of a person, newest first.

    `before`: the `older` of the previous page, which had the same filter.
    """
    for size in WINDOW_SIZES:
        last = size == WINDOW_SIZES[-1]
        lines, shown = await _load_window(session, person_id, size, before, where)
        if shown is None and last:  # more lines in one minute than a window holds
            lines, shown = await load_lines_for_person(session, person_id, limit=size, before=before, where=where), 0
        page = None if shown is None else _build_page(lines, shown, limit, full=len(lines) == size, last=last)
        if page is not None:
            return page
    raise AssertionError("the last window always gives a page")


async def _load_window(
    session: AsyncSession, person_id: UUID, size: int, before: JournalCursor | None, where: LineFilter
) -> tuple[list[JournalEntry], int | None]:
    """Load the lines to choose from, and the number of lines on earlier pages.

    The number is None when the window does not contain the last line of the previous page. The window begins at the end
    of the minute of that line, because lines equal to it are already counted.
    """
    if before is None:
        return await load_lines_for_person(session, person_id, limit=size, where=where), 0
    if before.occurred_at.year not in _PLAUSIBLE_YEARS:
        return await load_lines_for_person(session, person_id, limit=size, before=before, where=where), 0
    end_of_minute = _truncate_to_minute(before.occurred_at) + _MINUTE
    lines = await load_lines_for_person(session, person_id, limit=size, before=end_of_minute, where=where)
    place = next((number for number, line in enumerate(lines) if line.id == before.id), None)
    if place is None or (place == len(lines) - 1 and len(lines) == size):
        return lines, None
    return lines, place + 1


def _build_page(
    lines: Sequence[JournalEntry], already_listed: int, limit: int, *, full: bool, last: bool
) -> GroupedPage | None:
    """Build a page from these lines, or return None if it needs more lines."""
    newest: dict[Hashable, int] = {}
    counts: dict[Hashable, int] = {}
    for number, line in enumerate(lines):
        key = _group_key(line)
        newest.setdefault(key, number)
        counts[key] = counts.get(key, 0) + 1
    fresh = [(key, number) for key, number in newest.items() if number >= already_listed]
    # If the window is full, its last minute may be incomplete.
    open_minute = _truncate_to_minute(lines[-1].occurred_at) if full else None
    whole = [(key, number) for key, number in fresh if _truncate_to_minute(lines[number].occurred_at) != open_minute]
    if len(whole) > limit:
        return _assemble_page(lines, counts, whole[:limit], lines[whole[limit - 1][1]])
    if not full:
        return _assemble_page(lines, counts, whole, None)
    if not last:
        return None
    chosen = (whole or fresh)[:limit]
    cut = whole or len(fresh) > limit
    return _assemble_page(lines, counts, chosen, lines[chosen[-1][1]] if cut else lines[-1])


def _assemble_page(
    lines: Sequence[JournalEntry],
    counts: dict[Hashable, int],
    chosen: Sequence[tuple[Hashable, int]],
    older: JournalEntry | None,
) -> GroupedPage:
    return GroupedPage([LineGroup(lines[number], counts[key]) for key, number in chosen], older)


def _group_key(line: JournalEntry) -> Hashable:
    """Return the values that equal lines share: all shown values, and the minute."""
    if line.occurred_at.year not in _PLAUSIBLE_YEARS:
        return line.id
    act_key = (line.act, line.outcome, line.reason, line.object_kind, line.object_id)
    return (
        _truncate_to_minute(line.occurred_at),
        *act_key,
        line.actor_id,
        line.capacity,
        line.client_id,
        line.machtiging_id,
        line.on_behalf_of,
    )


def _truncate_to_minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)
