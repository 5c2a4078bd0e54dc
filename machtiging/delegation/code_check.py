"""The second thing that a helper hands in beside a code: the giver's birth date as far as known, or a check word. Pure.

A code alone opens nothing: whoever finds it does not know this. Only the parts of the birth date that are known are
compared. When too little is known, a check word that the giver was shown beside the code takes its place.
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
# Syllables that sound like Dutch and are heard apart on the telephone: 18 bits, and three to five tries.
_CONSONANTS, _VOWELS, _SYLLABLES = "bdghjklmnprstw", "aeiou", 3
_LONGEST_WORD = 40


class CheckKind(StrEnum):
    """The check beside a code. The values stand in the journal."""

    BIRTH_DATE = "geboortedatum"
    PART = "deel_van_geboortedatum"
    YEAR = "geboortejaar"
    WORD = "controlewoord"


# A year alone is guessed sooner.
TRIES = {CheckKind.BIRTH_DATE: 5, CheckKind.PART: 5, CheckKind.YEAR: 3, CheckKind.WORD: 5}


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """The helper's knowledge of the giver: her birth date or parts of it, the check word, or both."""

    birth_date: DateParts | None
    word: str = ""


def check_kind_of(born: BirthDate | None) -> CheckKind:
    """Return what can be compared of somebody of whom this is known; a month or a day alone is too little."""
    if born is None:
        return CheckKind.WORD
    known = (born.year is not None, born.month is not None, born.day is not None)
    if all(known):
        return CheckKind.BIRTH_DATE
    if known == (True, False, False):
        return CheckKind.YEAR
    return CheckKind.PART if sum(known) > 1 else CheckKind.WORD


def new_word() -> str:
    """Make a check word: short, random, easy to say."""
    return "".join(secrets.choice(_CONSONANTS) + secrets.choice(_VOWELS) for _ in range(_SYLLABLES))


def word_index(keyring: KeyRing, code: str, word: str) -> bytes:
    """Return the keyed index of a word as typed, for this code only."""
    plain = keep_letters_and_digits(word[:_LONGEST_WORD]).casefold()
    return keyring.blind_index(_PURPOSE, f"{code}:{plain}")


def birth_date_matches(born: BirthDate | None, told: DateParts | None) -> bool:
    """Compare the known parts only. A known part that is not told is wrong; what is not known matches nothing."""
    usable = check_kind_of(born) is not CheckKind.WORD
    return same(_encode_known_parts(born, born), _encode_known_parts(born, told)) and usable and told is not None


def _encode_known_parts(born: BirthDate | None, of: DateParts | None) -> str:
    """Write the parts of one date that are known of the other, all others as a zero."""
    known = (None, None, None) if born is None else (born.year, born.month, born.day)
    values = (None, None, None) if of is None else (of.year, of.month, of.day)
    return "-".join(str(0 if part is None else value or 0) for part, value in zip(known, values, strict=True))
