"""Burgerservicenummer (BSN) and RSIN: nine digits with a check digit, hidden when printed.

Sources: Wet algemene bepalingen burgerservicenummer. The check is the elfproef (11-proef): the weighted sum
9,8,7,6,5,4,3,2,-1 modulo 11 is zero.
"""

from __future__ import annotations

import re
import unicodedata

from machtiging.kernel.errors import InvalidInput
from machtiging.kernel.text import keep_letters_and_digits

_WEIGHTS = (9, 8, 7, 6, 5, 4, 3, 2, -1)
_MAX_INPUT_LENGTH = 40
_MASK = "*********"
_BSN_LIKE = re.compile(r"(?<![0-9])[0-9](?:[ .\-]?[0-9]){8}(?![0-9])")


def passes_11_proef(digits: str) -> bool:
    """Return whether nine ASCII digits, not all zero, satisfy the elfproef."""
    if len(digits) != 9 or not (digits.isascii() and digits.isdigit()) or digits == "0" * 9:
        return False
    return sum(w * int(d) for w, d in zip(_WEIGHTS, digits, strict=True)) % 11 == 0


class _ElfproefNumber:
    """A nine-digit number, hidden from repr, str, format and pickle."""

    __slots__ = ("_digits",)
    _digits: str
    _code = "nummer_ongeldig"

    def __init__(self, digits: str) -> None:
        if not isinstance(digits, str) or not passes_11_proef(digits):
            raise InvalidInput(self._code)
        object.__setattr__(self, "_digits", digits)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def reveal(self) -> str:
        """Return the digits. Use this only to encrypt, to index, or for an entitled party."""
        return self._digits

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_MASK})"

    def __str__(self) -> str:
        return _MASK

    def __format__(self, spec: str) -> str:
        return format(_MASK, spec)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.reveal() == other.reveal()

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.reveal()))

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError(f"{type(self).__name__} is not to be serialised")


class Bsn(_ElfproefNumber):
    """A citizen service number. Raises InvalidInput `bsn_ongeldig` when the elfproef fails."""

    __slots__ = ()
    _code = "bsn_ongeldig"


def parse_bsn(text: str) -> Bsn:
    """Parse a BSN as people and systems write it: with spaces, dots or dashes.

    A BSN of eight digits gets a leading zero. Raises InvalidInput `bsn_ongeldig` when the elfproef fails.
    """
    digits = keep_letters_and_digits(text) if len(text) <= _MAX_INPUT_LENGTH else ""
    return Bsn(digits.zfill(9) if len(digits) == 8 else digits)


class Rsin(_ElfproefNumber):
    """The number of a legal entity, with the same check as the BSN. Raises InvalidInput `rsin_ongeldig`."""

    _code = "rsin_ongeldig"


def contains_bsn_like(text: str) -> bool:
    """Return True if the text has a number of nine digits, also in groups."""
    return _BSN_LIKE.search(unicodedata.normalize("NFKC", text)) is not None
