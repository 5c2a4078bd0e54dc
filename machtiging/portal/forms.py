"""Form parsing: trimmed text, choices, three-part dates, and one fault per field.

An invalid form is shown again with all entered values, a summary on top, and status 400.
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
# Plausible years. Years 1 and 9999 would overflow in a time zone conversion.
_YEARS = range(1900, 2101)
# Passports show 00 or crosses for an unknown part of a birth date.
_BIRTH_YEARS = range(1800, 2101)
_UNKNOWN = re.compile(r"0+|[x?]+")
_MONTHS = ["januari", "februari", "maart", "april", "mei", "juni"]
_MONTHS += ["juli", "augustus", "september", "oktober", "november", "december"]


@dataclass
class Filled:
    """A submitted form: its values, and its faults by field, in page order."""

    values: dict[str, list[str]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    def one(self, name: str) -> str:
        """Return the first value of a field, trimmed; empty if absent."""
        return self.values.get(name, [""])[0].strip()

    def many(self, name: str) -> list[str]:
        """Return all values of a field."""
        return self.values.get(name, [])

    def has(self, name: str, value: str) -> bool:
        """Return True if this value was selected."""
        return value in self.values.get(name, [])

    def wrong(self, name: str, sentence: str) -> None:
        """Add a fault; the first one of a field is kept."""
        self.faults.setdefault(name, sentence)

    def text(self, name: str, *, most: int, missing: str) -> str:
        """Read a required line of text of at most `max_length` characters."""
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
        """Read one value from a list."""
        value = self.one(name)
        if value not in allowed:
            self.wrong(name, missing)
        return value

    def choices(self, name: str, allowed: Collection[str], *, missing: str | None = None) -> frozenset[str]:
        """Read any number of values from a list; at least one if `missing` is given."""
        chosen = frozenset(self.many(name))
        if not chosen <= frozenset(allowed):
            self.wrong(name, "Kies alleen uit de lijst.")
        if missing and not chosen:
            self.wrong(name, missing)
        return chosen

    def day(self, name: str, *, missing: str) -> date | None:
        """Read a date from `<name>_dag`, `<name>_maand` and `<name>_jaar`; months may be names."""
        parts = [self.one(f"{name}_{part}") for part in ("dag", "maand", "jaar")]
        if not any(parts):
            self.wrong(name, missing)
            return None
        if parts[1].lower() in _MONTHS:
            parts[1] = str(_MONTHS.index(parts[1].lower()) + 1)
        try:
            # More digits than a year has could overflow `date`.
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
        """Read a birth date from the same fields; empty parts, zeros and crosses are unknown."""
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
    """Read the text fields of a request's form, limited to `_MAX_FIELDS`."""
    form = await request.form(max_files=0, max_fields=_MOST_FIELDS)
    sent = Filled()
    for name, value in form.multi_items():
        if isinstance(value, str):
            sent.values.setdefault(name, []).append(value)
    return sent


def _known_part(part: str) -> str:
    return "" if _UNKNOWN.fullmatch(part.lower()) else part.lower()


def blank(request: Request, **values: str | list[str]) -> Filled:
    """Make a new form with initial values, or with the values saved before a login."""
    kept: dict[str, list[str]] | None = getattr(request.state, "kept_form", None)
    if kept is not None:
        return Filled(kept)
    return Filled({name: value if isinstance(value, list) else [value] for name, value in values.items()})


def day_boxes(name: str, value: date) -> dict[str, str]:
    """Split a date into its three form fields."""
    return {f"{name}_dag": str(value.day), f"{name}_maand": str(value.month), f"{name}_jaar": str(value.year)}
