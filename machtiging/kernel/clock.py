"""Clocks. Code takes the time as a parameter and never reads it by itself."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
# The end of a period that somebody else ends: a court. A period needs an end.
WITHOUT_END = datetime(2500, 1, 1, tzinfo=AMSTERDAM)
# The same of what only a register ends, without a court.
UNTIL_REGISTER = datetime(2499, 1, 1, tzinfo=AMSTERDAM)


class Clock(Protocol):
    """A source of the current instant, time zone aware and in UTC."""

    def now(self) -> datetime:
        """Return the current instant."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """Return the current instant in UTC."""
        return datetime.now(UTC)


class SettableClock:
    """A clock for tests and the demo. It moves only when told to."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        """Return the instant of the last setting."""
        return self._at

    def advance(self, by: timedelta) -> None:
        """Move the clock forward, or back with a negative step."""
        self._at += by


def to_dutch_date(at: datetime) -> date:
    """Return the calendar day of this instant in the Netherlands."""
    return at.astimezone(AMSTERDAM).date()


def end_of_day(day: date) -> datetime:
    """Return the instant of the midnight after this day in the Netherlands."""
    return datetime.combine(day + timedelta(days=1), time(), AMSTERDAM)


def last_day_before(ends_at: datetime) -> date:
    """Return the last Dutch calendar day of a period that ends at `ends_at` (exclusive)."""
    return to_dutch_date(ends_at - timedelta(microseconds=1))


def add_years(day: date, years: int) -> date:
    """Return the same calendar day some years later. 28 February if that year has no 29th."""
    year = day.year + years
    return day.replace(year=year, day=min(day.day, monthrange(year, day.month)[1]))


def month_period(first_day: date) -> tuple[datetime, datetime]:
    """Return begin and end of a month on Dutch clocks."""
    next_month = (first_day + timedelta(days=31)).replace(day=1)
    return datetime.combine(first_day, time(), AMSTERDAM), datetime.combine(next_month, time(), AMSTERDAM)
