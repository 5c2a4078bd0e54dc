"""A period of time, half-open: `[starts_at, ends_at)`, with time zone aware instants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from machtiging.kernel.clock import last_day_before
from machtiging.kernel.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open period. Raises InvalidInput `periode_zonder_tijdzone` or `periode_omgekeerd`."""

    starts_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        if self.starts_at.tzinfo is None or self.ends_at.tzinfo is None:
            raise InvalidInput("periode_zonder_tijdzone")
        if self.ends_at <= self.starts_at:
            raise InvalidInput("periode_omgekeerd")

    @property
    def duration(self) -> timedelta:
        """The duration of the period."""
        return self.ends_at - self.starts_at

    @property
    def last_day(self) -> date:
        """The last Dutch calendar day of the period."""
        return last_day_before(self.ends_at)

    def contains(self, at: datetime) -> bool:
        """Return whether `at` lies in the period. The start is included, the end is not."""
        return self.starts_at <= at < self.ends_at
