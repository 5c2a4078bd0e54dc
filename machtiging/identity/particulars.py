"""Particulars of a person as the login broker tells them: repaired or left out, never a reason to refuse a login.

Source: OpenID Connect Core 1.0 section 5.1 (`name`, `email`, `birthdate`), all of them optional.
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
# Nobody is older; other systems write an unknown date as the first day of some early year.
_EARLIEST_YEAR = 1800


@dataclass(frozen=True, slots=True)
class Profile:
    """What the broker told us about a person, shown to that person and to nobody without a reason.

    An empty name, and None, mean that it is not known.
    """

    name: str
    birth_date: BirthDate | None
    email: str | None


def merge_profiles(known: Profile | None, told: Profile) -> Profile:
    """Return what is known after a login: what it does not tell stays, another value takes the place of the old."""
    if known is None:
        return told
    born = merge_birth_dates(known.birth_date, told.birth_date)
    return Profile(told.name or known.name, born, told.email or known.email)


def same_particulars(one: Profile, other: Profile) -> bool:
    """Compare two accounts by full birth date and name, but for capitals, accents and spaces.

    Then it is taken for one person with two accounts. What is not told equals nothing, not even another untold one; a
    birth date that is known in part is not told.
    """
    both = isinstance(one.birth_date, date) and isinstance(other.birth_date, date)
    name = _letters(one.name)
    return both and one.birth_date == other.birth_date and name != "" and name == _letters(other.name)


def _letters(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(character for character in plain if character.isalnum())


def particulars_from(claims: Mapping[str, Any], *, at: datetime) -> Profile:
    """Read the particulars in the claims. What cannot be repaired is absent; raises nothing."""
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
    """An address is never repaired inside: another one could come out of it."""
    usable = 0 < len(written) <= _LONGEST_ADDRESS and written.isprintable() and not any(map(str.isspace, written))
    return written if usable else None
