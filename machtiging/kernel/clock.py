"""Time is handed in, never taken: every instant in the project comes from a Clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
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
