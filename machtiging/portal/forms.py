"""Form parsing: trimmed text, choices, three-part dates, and one fault per field.

An invalid form is shown again with all entered values, a summary on top, and status 400.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date

from babel.dates import get_month_names
from pydantic import BeforeValidator
from starlette.requests import Request

from machtiging.kernel.birth_date import BirthDate, build_birth_date
from machtiging.kernel.text import require_plain_line
from machtiging.message_catalogue import LANGUAGES, get_sentence

_MAX_FIELDS = 200
_DIGITS = re.compile(r"[0-9]{1,4}")
# Plausible years. Years 1 and 9999 would overflow in a time zone conversion.
_DATE_YEARS = range(1900, 2101)
# Passports show 00 or crosses for an unknown part of a birth date.
_BIRTH_YEARS = range(1800, 2101)
_UNKNOWN_PART = re.compile(r"0+|[x?]+")
# The names of the months in each of our languages, in lower case.
_MONTHS = {
    name.lower(): number for locale in LANGUAGES for number, name in get_month_names("wide", locale=locale).items()
}


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


# For a query parameter of a filter: a field that was left empty is not chosen.
EMPTY_IS_NONE = BeforeValidator(_empty_is_none)


@dataclass
class SubmittedForm:
    """A submitted form: its values, and its faults by field, in page order."""

    values: dict[str, list[str]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    def first_value(self, name: str) -> str:
        """Return the first value of a field, trimmed; empty if absent."""
        return self.values.get(name, [""])[0].strip()

    def all_values(self, name: str) -> list[str]:
        """Return all values of a field."""
        return self.values.get(name, [])

    def has_value(self, name: str, value: str) -> bool:
        """Return True if this value was selected."""
        return value in self.values.get(name, [])

    def add_fault(self, name: str, sentence: str) -> None:
        """Add a fault; the first one of a field is kept."""
        self.faults.setdefault(name, sentence)

    def read_text(self, name: str, *, max_length: int, missing: str) -> str:
        """Read a required line of text of at most `max_length` characters."""
        value = " ".join(self.first_value(name).split())
        if not value:
            self.add_fault(name, missing)
            return value
        try:
            value = require_plain_line(value)
        except ValueError:
            self.add_fault(name, get_sentence("form.plain_characters"))
        if len(value) > max_length:
            self.add_fault(name, get_sentence("form.too_long", length=max_length))
        return value

    def read_choice(self, name: str, allowed: Collection[str], *, missing: str) -> str:
        """Read one value from a list."""
        value = self.first_value(name)
        if value not in allowed:
            self.add_fault(name, missing)
        return value

    def read_choices(self, name: str, allowed: Collection[str], *, missing: str | None = None) -> frozenset[str]:
        """Read any number of values from a list; at least one if `missing` is given."""
        chosen = frozenset(self.all_values(name))
        if not chosen <= frozenset(allowed):
            self.add_fault(name, get_sentence("form.not_in_list"))
        if missing and not chosen:
            self.add_fault(name, missing)
        return chosen

    def read_date(self, name: str, *, missing: str) -> date | None:
        """Read a date from `<name>_dag`, `<name>_maand` and `<name>_jaar`; months may be names."""
        parts = [self.first_value(f"{name}_{part}") for part in ("dag", "maand", "jaar")]
        if not any(parts):
            self.add_fault(name, missing)
            return None
        if parts[1].lower() in _MONTHS:
            parts[1] = str(_MONTHS[parts[1].lower()])
        try:
            # More digits than a year has could overflow `date`.
            if not all(_DIGITS.fullmatch(part) for part in parts) or len(parts[2]) != 4:
                raise ValueError(name)
            found = date(int(parts[2]), int(parts[1]), int(parts[0]))
        except ValueError:
            self.add_fault(name, get_sentence("form.no_such_date"))
            return None
        if found.year not in _DATE_YEARS:
            self.add_fault(name, get_sentence("form.year_out_of_range", first=_DATE_YEARS[0], last=_DATE_YEARS[-1]))
            return None
        return found

    def read_partial_date(self, name: str) -> BirthDate | None:
        """Read a birth date from the same fields; empty parts, zeros and crosses are unknown."""
        parts = [_normalize_date_part(self.first_value(f"{name}_{part}")) for part in ("dag", "maand", "jaar")]
        if parts[1] in _MONTHS:
            parts[1] = str(_MONTHS[parts[1]])
        try:
            if not all(part == "" or _DIGITS.fullmatch(part) for part in parts):
                raise ValueError(name)
            day, month, year = (int(part) if part else None for part in parts)
            if year is not None and year not in _BIRTH_YEARS:
                raise ValueError(name)
            return build_birth_date(year, month, day)
        except ValueError:
            self.add_fault(name, get_sentence("form.no_such_birth_date"))
            return None


async def read_submitted_form(request: Request, *, max_fields: int | None = None) -> SubmittedForm:
    """Read the text fields of a request's form, at most `max_fields` (default `_MAX_FIELDS`)."""
    form = await request.form(max_files=0, max_fields=max_fields or _MAX_FIELDS)
    sent = SubmittedForm()
    for name, value in form.multi_items():
        if isinstance(value, str):
            sent.values.setdefault(name, []).append(value)
    return sent


def _normalize_date_part(part: str) -> str:
    return "" if _UNKNOWN_PART.fullmatch(part.lower()) else part.lower()


def make_blank_form(request: Request, **values: str | list[str]) -> SubmittedForm:
    """Make a new form with initial values, or with the values saved before a login."""
    saved_form: dict[str, list[str]] | None = getattr(request.state, "kept_form", None)
    if saved_form is not None:
        return SubmittedForm(saved_form)
    return SubmittedForm({name: value if isinstance(value, list) else [value] for name, value in values.items()})


def split_date(name: str, value: date) -> dict[str, str]:
    """Split a date into its three form fields."""
    return {f"{name}_dag": str(value.day), f"{name}_maand": str(value.month), f"{name}_jaar": str(value.year)}
