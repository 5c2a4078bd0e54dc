"""Reading what people fill in: trimmed text, choices from a list, dates in three boxes, and faults beside each field.

A form that is not right comes back with everything that was entered, a summary on top, and status 400.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date

from starlette.requests import Request

from machtiging.kernel.birth_date import BirthDate, birth_date_of
from machtiging.kernel.text import plain_line

_MOST_FIELDS = 200
_FIGURES = re.compile(r"[0-9]{1,4}")
# Nobody means another year, and the first and the last that exist cannot be placed in a time zone.
_YEARS = range(1900, 2101)
# Whose birth date is known in part has 00, or crosses, in a passport.
_BIRTH_YEARS = range(1800, 2101)
_UNKNOWN = re.compile(r"0+|[x?]+")
_MONTHS = ["januari", "februari", "maart", "april", "mei", "juni"]
_MONTHS += ["juli", "augustus", "september", "oktober", "november", "december"]


@dataclass
class Filled:
    """A form as it was sent, and what is wrong with it: field to sentence, in the order of the page."""

    values: dict[str, list[str]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    def one(self, name: str) -> str:
        """The value of a field, trimmed; empty when it is not there."""
        return self.values.get(name, [""])[0].strip()

    def many(self, name: str) -> list[str]:
        """All values that were ticked under one name."""
        return self.values.get(name, [])

    def has(self, name: str, value: str) -> bool:
        """Whether this value was ticked or chosen."""
        return value in self.values.get(name, [])

    def wrong(self, name: str, sentence: str) -> None:
        """Note a fault; the first one of a field stays."""
        self.faults.setdefault(name, sentence)

    def text(self, name: str, *, most: int, missing: str) -> str:
        """A line of text that must be there."""
        value = " ".join(self.one(name).split())
        if not value:
            self.wrong(name, missing)
            return value
        try:
            value = plain_line(value)
        except ValueError:
            self.wrong(name, "Gebruik alleen gewone letters, cijfers en leestekens.")
        if len(value) > most:
            self.wrong(name, f"Gebruik niet meer dan {most} tekens.")
        return value

    def choice(self, name: str, allowed: Collection[str], *, missing: str) -> str:
        """One value from a list."""
        value = self.one(name)
        if value not in allowed:
            self.wrong(name, missing)
        return value

    def choices(self, name: str, allowed: Collection[str], *, missing: str | None = None) -> frozenset[str]:
        """Any number of values from a list; at least one when `missing` is given."""
        chosen = frozenset(self.many(name))
        if not chosen <= frozenset(allowed):
            self.wrong(name, "Kies alleen uit de lijst.")
        if missing and not chosen:
            self.wrong(name, missing)
        return chosen

    def day(self, name: str, *, missing: str) -> date | None:
        """A date from three boxes `<name>_dag`, `<name>_maand` and `<name>_jaar`; months may be written in full."""
        parts = [self.one(f"{name}_{part}") for part in ("dag", "maand", "jaar")]
        if not any(parts):
            self.wrong(name, missing)
            return None
        if parts[1].lower() in _MONTHS:
            parts[1] = str(_MONTHS.index(parts[1].lower()) + 1)
        try:
            # A number of more figures than a year has is no date, and may not fit in one.
            if not all(_FIGURES.fullmatch(part) for part in parts) or len(parts[2]) != 4:
                raise ValueError(name)
            found = date(int(parts[2]), int(parts[1]), int(parts[0]))
        except ValueError:
            self.wrong(name, "Deze datum bestaat niet. Vul een dag, een maand en een jaar met vier cijfers in.")
            return None
        if found.year not in _YEARS:
            self.wrong(name, f"Vul een jaar in van {_YEARS[0]} tot en met {_YEARS[-1]}.")
            return None
        return found

    def partial_date(self, name: str) -> BirthDate | None:
        """A birth date from the same boxes; an empty one, zeros and crosses are a part that is not known."""
        parts = [_known_part(self.one(f"{name}_{part}")) for part in ("dag", "maand", "jaar")]
        if parts[1] in _MONTHS:
            parts[1] = str(_MONTHS.index(parts[1]) + 1)
        try:
            if not all(part == "" or _FIGURES.fullmatch(part) for part in parts):
                raise ValueError(name)
            day, month, year = (int(part) if part else None for part in parts)
            if year is not None and year not in _BIRTH_YEARS:
                raise ValueError(name)
            return birth_date_of(year, month, day)
        except ValueError:
            self.wrong(name, "Deze datum bestaat niet. Vul in wat u weet; schrijf het jaar met vier cijfers.")
            return None


async def filled(request: Request) -> Filled:
    """The form in a request: text fields only, and not more than a page of ours can have."""
    form = await request.form(max_files=0, max_fields=_MOST_FIELDS)
    sent = Filled()
    for name, value in form.multi_items():
        if isinstance(value, str):
            sent.values.setdefault(name, []).append(value)
    return sent


def _known_part(part: str) -> str:
    return "" if _UNKNOWN.fullmatch(part.lower()) else part.lower()


def blank(request: Request, **values: str | list[str]) -> Filled:
    """A form that nobody has sent yet, with the values it opens with; or with those that were kept of it."""
    kept: dict[str, list[str]] | None = getattr(request.state, "kept_form", None)
    if kept is not None:
        return Filled(kept)
    return Filled({name: value if isinstance(value, list) else [value] for name, value in values.items()})


def day_boxes(name: str, value: date) -> dict[str, str]:
    """The three boxes of a date."""
    return {f"{name}_dag": str(value.day), f"{name}_maand": str(value.month), f"{name}_jaar": str(value.year)}
