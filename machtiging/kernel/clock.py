"""Time is handed in, never taken: every instant in the project comes from a Clock."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


class Clock(Protocol):
    """Something that knows the present instant, aware and in UTC."""

    def now(self) -> datetime:
        """The present instant."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant in UTC."""
        return datetime.now(UTC)


class SettableClock:
    """A clock for tests and rehearsals: it stands still until it is moved."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        """The instant it was last set to."""
        return self._at

    def advance(self, by: timedelta) -> None:
        """Move forward (or, with a negative step, back)."""
        self._at += by


def day_in_the_netherlands(at: datetime) -> date:
    """The calendar day on which a Dutch reader places this instant."""
    return at.astimezone(AMSTERDAM).date()


def end_of_day(day: date) -> datetime:
    """The instant at which a day ends in the Netherlands: the midnight after it."""
    return datetime.combine(day + timedelta(days=1), time(), AMSTERDAM)


def last_day_before(ends_at: datetime) -> date:
    """The last Dutch calendar day that is begun before a period ends at `ends_at`, which is not in it."""
    return day_in_the_netherlands(ends_at - timedelta(microseconds=1))


def add_years(day: date, years: int) -> date:
    """The same calendar day so many years later; 28 February when that year has no 29th."""
    year = day.year + years
    return day.replace(year=year, day=min(day.day, monthrange(year, day.month)[1]))
