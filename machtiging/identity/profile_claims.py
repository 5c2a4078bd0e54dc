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

_MAX_NAME_LENGTH = 200
_MAX_EMAIL_LENGTH = 254
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


def merge_profiles(stored: Profile | None, received: Profile) -> Profile:
    """Merge received claims into the stored profile. Received values replace stored ones; absent ones do not."""
    if stored is None:
        return received
    born = merge_birth_dates(stored.birth_date, received.birth_date)
    return Profile(received.name or stored.name, born, received.email or stored.email)


def profiles_match(one: Profile, other: Profile) -> bool:
    """Compare two profiles by full birth date and name, ignoring case, accents and spaces.

    A match means one person with two accounts. Unknown values never match, not even each other.
    """
    both = identifies_person(one) and identifies_person(other)
    return both and one.birth_date == other.birth_date and _normalise_name(one.name) == _normalise_name(other.name)


def identifies_person(profile: Profile) -> bool:
    """Return whether name and full birth date are known. A partial birth date counts as unknown."""
    return isinstance(profile.birth_date, date) and _normalise_name(profile.name) != ""


def _normalise_name(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(character for character in plain if character.isalnum())


def parse_profile_claims(claims: Mapping[str, Any], *, at: datetime) -> Profile:
    """Parse the profile claims. A value that cannot be repaired is left out. Raises nothing."""
    return Profile(
        name=normalise_line(_string_claim(claims, "name"), _MAX_NAME_LENGTH),
        birth_date=_parse_plausible_birth_date(_string_claim(claims, "birthdate").strip(), at),
        email=_parse_email(_string_claim(claims, "email").strip()),
    )


def _string_claim(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _parse_plausible_birth_date(text: str, at: datetime) -> BirthDate | None:
    try:
        born = parse_birth_date(text)
    except ValueError:
        return None
    year = None if born is None else born.year
    return born if year is None or _EARLIEST_YEAR <= year <= at.year else None


def _parse_email(text: str) -> str | None:
    """Return a usable e-mail address, or None. It is never repaired: that could give another address."""
    usable = 0 < len(text) <= _MAX_EMAIL_LENGTH and text.isprintable() and not any(map(str.isspace, text))
    return text if usable else None
