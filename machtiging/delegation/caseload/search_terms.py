"""Search terms for clients: surname, birth date or case reference. Pure.

A name is one text: the login gives no separate surname. So every word after the first begins a surname, with all that
follows. "Riet van der Linden" is found by "van der Linden", by "der Linden" and by "Linden"; prefixes need no list.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from itertools import product

from machtiging.identity.profile_claims import Profile
from machtiging.kernel.birth_date import BirthDate, build_birth_date, format_birth_date
from machtiging.kernel.bsn import contains_bsn_like
from machtiging.kernel.errors import InvalidInput

MAX_SEARCH_LENGTH = 80
# The numbers of first letters that are indexed. A shorter surname is indexed whole.
PREFIX_LENGTHS = (3, 4, 6)
_MIN_LETTERS = 2
_MAX_NAME_WORDS = 8
# Letters that stay whole when accents are taken off.
_WHOLE_LETTERS = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th"})
_WORD_BREAK = re.compile(r"[\s\-\u2010-\u2015]+")
_DATE_PATTERNS = (
    re.compile(r"(?P<day>[0-9]{1,2})[-/. ](?P<month>[0-9]{1,2})[-/. ](?P<year>[0-9]{4})"),
    re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})"),
)
# A term: its kind and its value.
SearchTerm = tuple[str, str]
_SURNAME, _BIRTH_DATE, _CASE_REFERENCE = "surname", "birth_date", "case_reference"


def fold_letters(text: str) -> str:
    """Return the letters and digits of a text, without accents and capitals."""
    decomposed = unicodedata.normalize("NFKD", text.casefold()).translate(_WHOLE_LETTERS)
    return "".join(letter for letter in decomposed if letter.isalnum())


def list_profile_terms(profile: Profile) -> frozenset[SearchTerm]:
    """Return the terms by which a client with this profile is found."""
    terms = {(_SURNAME, one) for surname in _list_surnames(profile.name) for one in _list_prefixes(surname)}
    if profile.birth_date is not None:
        terms.add((_BIRTH_DATE, format_birth_date(profile.birth_date)))
    return frozenset(terms)


def list_reference_terms(case_reference: str) -> frozenset[SearchTerm]:
    """Return the term by which an assignment with this case reference is found."""
    folded = fold_letters(case_reference)
    return frozenset({(_CASE_REFERENCE, folded)} if folded else ())


def parse_search(text: str) -> frozenset[SearchTerm]:
    """Return the terms of a search: a client with any of them is found.

    Raises InvalidInput `zoeken_op_bsn` for a number of nine digits, `zoekterm_te_kort` for less than two letters.
    """
    if contains_bsn_like(text):
        raise InvalidInput("zoeken_op_bsn")
    if (born := _parse_date(text.strip())) is not None:
        return frozenset((_BIRTH_DATE, one) for one in _list_matching_dates(born))
    folded = fold_letters(text)
    if len(folded) < _MIN_LETTERS:
        raise InvalidInput("zoekterm_te_kort")
    return frozenset({(_SURNAME, _longest_prefix(folded)), (_CASE_REFERENCE, folded)})


def _list_surnames(name: str) -> Iterator[str]:
    words = [word for part in _WORD_BREAK.split(name)[:_MAX_NAME_WORDS] if (word := fold_letters(part))]
    for first in range(min(1, len(words) - 1), len(words)):
        yield "".join(words[first:])


def _list_prefixes(surname: str) -> Iterator[str]:
    if len(surname) < PREFIX_LENGTHS[0]:
        yield surname
    for length in PREFIX_LENGTHS:
        if len(surname) >= length:
            yield surname[:length]


def _longest_prefix(folded: str) -> str:
    """Return as many first letters as the index has."""
    return next((folded[:length] for length in reversed(PREFIX_LENGTHS) if len(folded) >= length), folded)


def _parse_date(text: str) -> date | None:
    for pattern in _DATE_PATTERNS:
        if (found := pattern.fullmatch(text)) is not None:
            try:
                return date(int(found["year"]), int(found["month"]), int(found["day"]))
            except ValueError:
                return None
    return None


def _list_matching_dates(born: date) -> Iterator[str]:
    """Return the date, and every partial date whose known parts agree with it."""
    for year, month, day in product((born.year, None), (born.month, None), (born.day, None)):
        found: BirthDate | None = build_birth_date(year, month, day)
        if found is not None:
            yield format_birth_date(found)
