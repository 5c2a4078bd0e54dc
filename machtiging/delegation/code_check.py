"""The second factor beside a machtigingscode: the giver's birth date or a check word. Pure.

A found code alone is therefore useless, and brute force has to guess both. Only the known parts of the birth date are
compared. If too few are known, a check word takes its place; the giver saw it beside the code.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum

from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.secrets import constant_time_equals
from machtiging.kernel.birth_date import BirthDate, DateParts
from machtiging.kernel.text import keep_letters_and_digits

_CHECK_WORD_INDEX_PURPOSE = "controlewoord"
# Dutch-sounding syllables that are distinct on the telephone: 18 bits, with three to five tries.
_CONSONANTS, _VOWELS, _SYLLABLES = "bdghjklmnprstw", "aeiou", 3
_MAX_WORD_LENGTH = 40


class CheckKind(StrEnum):
    """The kind of check beside a code. The journal stores the values."""

    BIRTH_DATE = "geboortedatum"
    PART = "deel_van_geboortedatum"
    YEAR = "geboortejaar"
    WORD = "controlewoord"


# A year alone is easier to guess.
TRIES_BY_CHECK_KIND = {CheckKind.BIRTH_DATE: 5, CheckKind.PART: 5, CheckKind.YEAR: 3, CheckKind.WORD: 5}


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """The helper's answer: (part of) the giver's birth date, the check word, or both."""

    birth_date: DateParts | None
    word: str = ""


def select_check_kind(birth_date: BirthDate | None) -> CheckKind:
    """Select the check for a birth date. A month or a day alone is too little."""
    if birth_date is None:
        return CheckKind.WORD
    known_parts = (birth_date.year is not None, birth_date.month is not None, birth_date.day is not None)
    if all(known_parts):
        return CheckKind.BIRTH_DATE
    if known_parts == (True, False, False):
        return CheckKind.YEAR
    return CheckKind.PART if sum(known_parts) > 1 else CheckKind.WORD


def generate_check_word() -> str:
    """Generate a check word: short, random and easy to pronounce."""
    return "".join(secrets.choice(_CONSONANTS) + secrets.choice(_VOWELS) for _ in range(_SYLLABLES))


def index_check_word(keyring: KeyRing, code: str, word: str) -> bytes:
    """Return the blind index of a check word as typed, for this code only."""
    plain = keep_letters_and_digits(word[:_MAX_WORD_LENGTH]).casefold()
    return keyring.blind_index(_CHECK_WORD_INDEX_PURPOSE, f"{code}:{plain}")


def find_answer_error(
    keyring: KeyRing,
    code: str,
    word_hash: bytes | None,
    birth_date: BirthDate | None,
    birth_date_or_answer: DateParts | CheckAnswer,
) -> str | None:
    """Return the reason code of a wrong answer, or None. `word_hash`: the blind index of a check word, if any.

    Both checks are always computed, so timing does not reveal which one counts.
    """
    answer = (
        birth_date_or_answer if isinstance(birth_date_or_answer, CheckAnswer) else CheckAnswer(birth_date_or_answer)
    )
    index = index_check_word(keyring, code, answer.word)
    # An index has 32 bytes, so an empty value matches nothing.
    word, date = constant_time_equals(word_hash or b"", index), birth_date_matches(birth_date, answer.birth_date)
    if word_hash is not None:
        return None if word else "controlewoord_klopt_niet"
    return None if date else "geboortedatum_klopt_niet"


def birth_date_matches(birth_date: BirthDate | None, answer: DateParts | None) -> bool:
    """Compare the known parts of the birth date in constant time.

    A known part that is not answered is wrong. A birth date with too few known parts matches nothing.
    """
    usable = select_check_kind(birth_date) is not CheckKind.WORD
    return (
        constant_time_equals(_encode_date_parts(birth_date, birth_date), _encode_date_parts(birth_date, answer))
        and usable
        and answer is not None
    )


def _encode_date_parts(birth_date: BirthDate | None, source: DateParts | None) -> str:
    """Encode the parts of `source` that `birth_date` has; all others as zero."""
    date_parts = (None, None, None) if birth_date is None else (birth_date.year, birth_date.month, birth_date.day)
    values = (None, None, None) if source is None else (source.year, source.month, source.day)
    return "-".join(str(0 if part is None else value or 0) for part, value in zip(date_parts, values, strict=True))
