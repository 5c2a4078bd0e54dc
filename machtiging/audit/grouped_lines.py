"""Lines about a person for her to read: equal ones within a minute are one, with how often. The journal keeps all.

A flood of equal requests must not bury what else was done. A page is chosen in a window of lines that grows only where
lines are equal, so that it costs the same in a long journal as in a short one.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.queries import Before, JournalEntry, lines_about

# How many lines are read for a page: more where many are equal, never more than the last.
WINDOWS = (120, 1_000, 5_000)
_MINUTE = timedelta(minutes=1)
# Outside these years an instant cannot be trusted to be the one of its line.
_YEARS = range(2001, 2100)


@dataclass(frozen=True, slots=True)
class LineGroup:
    """The newest of some equal lines, and how many they are."""

    line: JournalEntry
    count: int


@dataclass(frozen=True, slots=True)
class GroupedPage:
    """Groups, newest first. `older`: the line before which the next page begins, None at the end."""

    groups: list[LineGroup]
    older: JournalEntry | None


async def grouped_lines_about(
    session: AsyncSession, person_id: UUID, *, limit: int, before: Before | None = None
) -> GroupedPage:
    """Select groups of equal lines about this person, newest first, at most `limit`. `before`: the `older` before."""
    for size in WINDOWS:
        last = size == WINDOWS[-1]
        lines, shown = await _window(session, person_id, size, before)
        if shown is None and last:  # more lines in one minute than a window holds
            lines, shown = await lines_about(session, person_id, limit=size, before=before), 0
        page = None if shown is None else _page(lines, shown, limit, full=len(lines) == size, last=last)
        if page is not None:
            return page
    raise AssertionError("the last window always gives a page")


async def _window(
    session: AsyncSession, person_id: UUID, size: int, before: Before | None
) -> tuple[list[JournalEntry], int | None]:
    """The lines to choose from, and how many of them earlier pages were about; None when that cannot be seen.

    It begins at the end of the minute in which the page before ended: what is equal to a line there has been counted.
    """
    if before is None:
        return await lines_about(session, person_id, limit=size), 0
    if before.occurred_at.year not in _YEARS:
        return await lines_about(session, person_id, limit=size, before=before), 0
    lines = await lines_about(session, person_id, limit=size, before=_minute(before.occurred_at) + _MINUTE)
    place = next((number for number, line in enumerate(lines) if line.id == before.id), None)
    if place is None or (place == len(lines) - 1 and len(lines) == size):
        return lines, None
    return lines, place + 1


def _page(lines: Sequence[JournalEntry], shown: int, limit: int, *, full: bool, last: bool) -> GroupedPage | None:
    """A page of these lines, or None when it takes more of them."""
    newest: dict[Hashable, int] = {}
    counts: dict[Hashable, int] = {}
    for number, line in enumerate(lines):
        key = _key(line)
        newest.setdefault(key, number)
        counts[key] = counts.get(key, 0) + 1
    fresh = [(key, number) for key, number in newest.items() if number >= shown]
    # In a full window the last minute may go on after it.
    begun = _minute(lines[-1].occurred_at) if full else None
    whole = [(key, number) for key, number in fresh if _minute(lines[number].occurred_at) != begun]
    if len(whole) > limit:
        return _grouped(lines, counts, whole[:limit], lines[whole[limit - 1][1]])
    if not full:
        return _grouped(lines, counts, whole, None)
    if not last:
        return None
    chosen = (whole or fresh)[:limit]
    cut = whole or len(fresh) > limit
    return _grouped(lines, counts, chosen, lines[chosen[-1][1]] if cut else lines[-1])


def _grouped(
    lines: Sequence[JournalEntry],
    counts: dict[Hashable, int],
    chosen: Sequence[tuple[Hashable, int]],
    older: JournalEntry | None,
) -> GroupedPage:
    return GroupedPage([LineGroup(lines[number], counts[key]) for key, number in chosen], older)


def _key(line: JournalEntry) -> Hashable:
    """The values that equal lines share: all that she is shown, and the minute."""
    if line.occurred_at.year not in _YEARS:
        return line.id
    done = (line.act, line.outcome, line.reason, line.object_kind, line.object_id)
    return (_minute(line.occurred_at), *done, line.actor_id, line.capacity, line.client_id, line.machtiging_id)


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)
