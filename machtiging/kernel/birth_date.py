"""Birth dates, of which the year, the month or the day may be unknown.

Sources: OpenID Connect Core 1.0 section 5.1 (`birthdate`: YYYY, or 0000 for an omitted year); Logisch Ontwerp BRP,
element 03.10 (00 for an unknown month or day).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Protocol

_WRITTEN = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?|([0-9]{4})([0-9]{2})([0-9]{2})")
# A leap year, so that 29 February is a valid birthday when the year is unknown.
_SOME_LEAP_YEAR = 2000


@dataclass(frozen=True, slots=True)
class PartialDate:
    """A date with at least one unknown part (None). Built by `build_birth_date`."""

    year: int | None
    month: int | None
    day: int | None


class DateParts(Protocol):
    """A date with optional parts. `datetime.date` and `PartialDate` satisfy this protocol."""

    @property
    def year(self) -> int | None:
        """The year, or None."""

    @property
    def month(self) -> int | None:
        """The month, or None."""

    @property
    def day(self) -> int | None:
        """The day of the month, or None."""


BirthDate = date | PartialDate


def birth_date_of(year: int | None, month: int | None, day: int | None) -> BirthDate | None:
    """Build a date from its parts; None when all are unknown. Raises ValueError for an impossible date."""
    if year is None and month is None and day is None:
        return None
    whole = date(_SOME_LEAP_YEAR if year is None else year, 1 if month is None else month, 1 if day is None else day)
    return whole if year is not None and month is not None and day is not None else PartialDate(year, month, day)


def parse_birth_date(written: str) -> BirthDate | None:
    """Parse YYYY, YYYY-MM, YYYY-MM-DD or YYYYMMDD. Zeros mean an unknown part. Raises ValueError otherwise."""
    found = _WRITTEN.fullmatch(written)
    if found is None:
        raise ValueError("not written as a date")
    # Zero and an absent part both mean unknown.
    year, month, day = (int(part or "0") or None for part in _matched_alternative(found.groups()))
    return birth_date_of(year, month, day)


def _matched_alternative(groups: tuple[str | None, ...]) -> tuple[str | None, ...]:
    return groups[:3] if groups[0] is not None else groups[3:]


def write_birth_date(born: BirthDate) -> str:
    """Format as YYYY-MM-DD with zeros for unknown parts. `parse_birth_date` reads this format."""
    return f"{born.year or 0:04d}-{born.month or 0:02d}-{born.day or 0:02d}"


def merge_birth_dates(known: BirthDate | None, told: BirthDate | None) -> BirthDate | None:
    """Merge two birth dates: combine their parts, or return `received` if they contradict."""
    if known is None or told is None:
        return known if told is None else told
    pairs = [(known.year, told.year), (known.month, told.month), (known.day, told.day)]
    if any(old is not None and new is not None and old != new for old, new in pairs):
        return told
    year, month, day = (old if new is None else new for old, new in pairs)
    try:
        return birth_date_of(year, month, day)
    except ValueError:  # 29 February, and the year was told to be another
        return told
