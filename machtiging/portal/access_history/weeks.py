"""The first sentence of the access history, and the picture: people by weeks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from machtiging.audit.access_history.weekly_access import WeekCount, WeeklyAccess
from machtiging.kernel.clock import AMSTERDAM, to_dutch_date
from machtiging.message_catalogue import get_sentence
from machtiging.portal.access_history.names import LineNames
from machtiging.portal.labels import join_phrases

WEEKS = 12
# People with a column of their own. The others share one.
_OWN_COLUMNS = 4
_NAMED_IN_SENTENCE = 5
_BAR_WIDTH = 48
# Person, operator or not, app.
_Actor = tuple[UUID | None, bool, str | None]


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of the picture. `bar`: the length of its bar; 0 without one."""

    number: int
    bar: int


@dataclass(frozen=True, slots=True)
class WeekRow:
    """One week of the picture: a cell for each column, and the refusals. `is_partial`: not all of it was counted."""

    first_day: date
    last_day: date
    cells: list[Cell]
    refusals: int
    is_partial: bool


@dataclass(frozen=True, slots=True)
class WeekPicture:
    """The picture: column names and rows, newest week first. No columns when nobody opened anything.

    `quiet_weeks`: the number of weeks before the oldest row in which nothing happened.
    """

    columns: list[str]
    rows: list[WeekRow]
    has_refusals: bool
    quiet_weeks: int

    @property
    def weeks(self) -> int:
        """The number of weeks that were counted."""
        return len(self.rows) + self.quiet_weeks


def picture_period(now: datetime) -> tuple[datetime, datetime]:
    """Return begin and end of the last weeks, this one included, on Dutch clocks."""
    monday = week_of(now)
    first, last = monday - timedelta(weeks=WEEKS - 1), monday + timedelta(weeks=1)
    return datetime.combine(first, time(), AMSTERDAM), datetime.combine(last, time(), AMSTERDAM)


def week_of(at: datetime) -> date:
    """Return the Monday of the Dutch week of this instant."""
    day = to_dutch_date(at)
    return day - timedelta(days=day.weekday())


def describe_this_week(access: WeeklyAccess, names: LineNames, now: datetime) -> list[str]:
    """Say in sentences who looked this week, and how often something was refused."""
    this_week = [count for count in access.counts if count.week == week_of(now)]
    lookers = [count for count in this_week if _has_looked(count)]
    refusals = sum(count.refusals for count in this_week)
    sentences = [_describe_lookers(lookers, names)]
    if refusals:
        sentences.append(get_sentence("history.week.refusals", n=refusals))
    if access.counted_from is not None and week_of(access.counted_from) == week_of(now):
        sentences = [get_sentence("history.week.too_many"), *sentences]
    return sentences


def _has_looked(count: WeekCount) -> bool:
    return count.letters + count.attachments + count.lists + count.others > 0


def _describe_lookers(lookers: Sequence[WeekCount], names: LineNames) -> str:
    if not lookers:
        return get_sentence("history.week.nobody")
    ordered = sorted(lookers, key=lambda count: (-count.letters, -count.attachments, _describe_looker(count, names)))
    phrases = [
        get_sentence("history.week.person", who=_describe_looker(count, names), what=_describe_count(count))
        for count in ordered[:_NAMED_IN_SENTENCE]
    ]
    rest = len(ordered) - len(phrases)
    if rest:
        return get_sentence("history.week.people_and_more", people=", ".join(phrases), n=rest)
    return get_sentence("history.week.people", people=join_phrases(phrases))


def _describe_looker(count: WeekCount, names: LineNames) -> str:
    if count.is_operator:
        return get_sentence("history.week.operator")
    if count.actor_id is not None:
        return get_sentence("history.week.helper", name=names.name_person(count.actor_id))
    app = names.name_app(count.client_id)
    return get_sentence("history.week.somebody") if app is None else get_sentence("history.week.app", name=app)


def _describe_count(count: WeekCount) -> str:
    numbers = (("history.count.letters", count.letters), ("history.count.attachments", count.attachments))
    opened = [get_sentence(key, n=number) for key, number in numbers if number]
    if not opened:
        return get_sentence("history.count.list" if count.lists and not count.others else "history.count.other")
    return join_phrases(opened)


def build_picture(access: WeeklyAccess, names: LineNames, now: datetime) -> WeekPicture:
    """Build the picture of the last weeks."""
    totals: dict[_Actor, int] = {}
    for count in access.counts:
        if _has_looked(count):
            totals[_actor_of(count)] = totals.get(_actor_of(count), 0) + count.letters + count.attachments
    ordered = sorted(totals, key=lambda actor: (-totals[actor], _name_column(actor, names), str(actor)))
    own = ordered if len(ordered) <= _OWN_COLUMNS + 1 else ordered[:_OWN_COLUMNS]
    columns = [_name_column(actor, names) for actor in own]
    if len(own) < len(ordered):
        columns.append(get_sentence("history.picture.others"))
    numbers = _count_cells(access.counts, own, len(columns))
    most = max((number for row in numbers.values() for number in row), default=0)
    refusals = _count_refusals(access.counts)
    rows = []
    for number in range(WEEKS):
        monday = week_of(now) - timedelta(weeks=number)
        is_partial = access.counted_from is not None and monday <= week_of(access.counted_from)
        cells = [_make_cell(one, most) for one in numbers.get(monday, [0] * len(columns))]
        rows.append(WeekRow(monday, monday + timedelta(days=6), cells, refusals.get(monday, 0), is_partial))
    shown = max((number for number, row in enumerate(rows, 1) if _has_something(row)), default=0)
    return WeekPicture(columns, rows[:shown], any(refusals.values()), WEEKS - shown)


def _has_something(row: WeekRow) -> bool:
    return row.is_partial or row.refusals > 0 or any(cell.number for cell in row.cells)


def _actor_of(count: WeekCount) -> _Actor:
    return count.actor_id, count.is_operator, count.client_id


def _name_column(actor: _Actor, names: LineNames) -> str:
    actor_id, is_operator, client_id = actor
    if is_operator:
        return get_sentence("history.who.operator")
    if actor_id is not None:
        return names.name_person(actor_id)
    app = names.name_app(client_id)
    return get_sentence("history.who.somebody") if app is None else get_sentence("history.who.app", name=app)


def _count_cells(counts: Iterable[WeekCount], own: Sequence[_Actor], width: int) -> dict[date, list[int]]:
    numbers: dict[date, list[int]] = {}
    for count in counts:
        if _has_looked(count):
            row, actor = numbers.setdefault(count.week, [0] * width), _actor_of(count)
            row[own.index(actor) if actor in own else width - 1] += count.letters + count.attachments
    return numbers


def _count_refusals(counts: Iterable[WeekCount]) -> dict[date, int]:
    refusals: dict[date, int] = {}
    for count in counts:
        refusals[count.week] = refusals.get(count.week, 0) + count.refusals
    return refusals


def _make_cell(number: int, most: int) -> Cell:
    # A bar is at least one pixel wide, so that one letter beside many is seen.
    return Cell(number, max(1, round(_BAR_WIDTH * number / most)) if number else 0)
