"""The second factor beside a machtigingscode: the giver's birth date or a check word. Pure.

A found code alone is therefore useless. Only the known parts of the birth date are compared. If too few are known, a
check word takes its place; the giver saw it beside the code.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum

from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.secrets import same
from machtiging.kernel.birth_date import BirthDate, DateParts
from machtiging.kernel.text import keep_letters_and_digits

_PURPOSE = "controlewoord"
# Dutch-sounding syllables that are distinct on the telephone: 18 bits, with three to five tries.
_CONSONANTS, _VOWELS, _SYLLABLES = "bdghjklmnprstw", "aeiou", 3
_LONGEST_WORD = 40


class CheckKind(StrEnum):
    """The kind of check beside a code. The journal stores the values."""

    BIRTH_DATE = "geboortedatum"
    PART = "deel_van_geboortedatum"
    YEAR = "geboortejaar"
    WORD = "controlewoord"


# A year alone is easier to guess.
TRIES = {CheckKind.BIRTH_DATE: 5, CheckKind.PART: 5, CheckKind.YEAR: 3, CheckKind.WORD: 5}


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """The helper's answer: (part of) the giver's birth date, the check word, or both."""

    birth_date: DateParts | None
    word: str = ""


def check_kind_of(born: BirthDate | None) -> CheckKind:
    """Select the check for a birth date. A month or a day alone is too little."""
    if born is None:
        return CheckKind.WORD
    known = (born.year is not None, born.month is not None, born.day is not None)
    if all(known):
        return CheckKind.BIRTH_DATE
    if known == (True, False, False):
        return CheckKind.YEAR
    return CheckKind.PART if sum(known) > 1 else CheckKind.WORD


def new_word() -> str:
    """Generate a check word: short, random and easy to pronounce."""
    return "".join(secrets.choice(_CONSONANTS) + secrets.choice(_VOWELS) for _ in range(_SYLLABLES))


def word_index(keyring: KeyRing, code: str, word: str) -> bytes:
    """Return the blind index of a check word as typed, for this code only."""
    plain = keep_letters_and_digits(word[:_LONGEST_WORD]).casefold()
    return keyring.blind_index(_PURPOSE, f"{code}:{plain}")


def birth_date_matches(born: BirthDate | None, told: DateParts | None) -> bool:
    """Compare the known parts of the birth date in constant time.

    A known part that is not answered is wrong. A birth date with too few known parts matches nothing.
    """
    usable = check_kind_of(born) is not CheckKind.WORD
    return same(_encode_known_parts(born, born), _encode_known_parts(born, told)) and usable and told is not None


def _encode_known_parts(born: BirthDate | None, of: DateParts | None) -> str:
    """Encode the parts of `source` that `birth_date` has; all others as zero."""
    known = (None, None, None) if born is None else (born.year, born.month, born.day)
    values = (None, None, None) if of is None else (of.year, of.month, of.day)
    return "-".join(str(0 if part is None else value or 0) for part, value in zip(known, values, strict=True))
