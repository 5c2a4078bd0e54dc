"""Name, birth date and e-mail address from the broker's claims. Bad values are dropped.

Source: OpenID Connect Core 1.0 section 5.1 (`name`, `email`, `birthdate`). They are optional, so they never make a
login fail.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from machtiging.kernel.birth_date import BirthDate, merge_birth_dates, parse_birth_date
from machtiging.kernel.text import normalise_line

_LONGEST_NAME = 200
_LONGEST_ADDRESS = 254
# Nobody is older. Other systems write an unknown date as the first day of an early year.
_EARLIEST_YEAR = 1800


@dataclass(frozen=True, slots=True)
class Profile:
    """The profile claims of a person. An empty name, and None, mean unknown.

    It is shown to the person only, and to nobody else without a reason.
    """

    name: str
    birth_date: BirthDate | None
    email: str | None


def merge_profiles(known: Profile | None, told: Profile) -> Profile:
    """Merge received claims into the stored profile. Received values replace stored ones; absent ones do not."""
    if known is None:
        return told
    born = merge_birth_dates(known.birth_date, told.birth_date)
    return Profile(told.name or known.name, born, told.email or known.email)


def same_particulars(one: Profile, other: Profile) -> bool:
    """Compare two profiles by full birth date and name, ignoring case, accents and spaces.

    A match means one person with two accounts. Unknown values never match, not even each other. A partial birth date
    counts as unknown.
    """
    both = isinstance(one.birth_date, date) and isinstance(other.birth_date, date)
    name = _letters(one.name)
    return both and one.birth_date == other.birth_date and name != "" and name == _letters(other.name)


def _letters(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(character for character in plain if character.isalnum())


def particulars_from(claims: Mapping[str, Any], *, at: datetime) -> Profile:
    """Parse the profile claims. A value that cannot be repaired is left out. Raises nothing."""
    return Profile(
        name=normalise_line(_text(claims, "name"), _LONGEST_NAME),
        birth_date=_birth_date(_text(claims, "birthdate").strip(), at),
        email=_address(_text(claims, "email").strip()),
    )


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _birth_date(written: str, at: datetime) -> BirthDate | None:
    try:
        born = parse_birth_date(written)
    except ValueError:
        return None
    year = None if born is None else born.year
    return born if year is None or _EARLIEST_YEAR <= year <= at.year else None


def _address(written: str) -> str | None:
    """Return a usable e-mail address, or None. It is never repaired: that could give another address."""
    usable = 0 < len(written) <= _LONGEST_ADDRESS and written.isprintable() and not any(map(str.isspace, written))
    return written if usable else None
