"""Normalisation of text from people and other systems: lines, codes and numbers.

Sources: Unicode Standard Annex 15 (normalisation forms) and the general categories of the Unicode Character Database.
"""

from __future__ import annotations

import unicodedata
from codecs import BOM_UTF8

# Removed from a line: control, format (with direction marks), surrogate, private and unassigned characters.
_UNPRINTABLE = "C"
# Rejected in a line: the same, and separators of lines and paragraphs.
_REJECTED_IN_LINE = ("C", "Zl", "Zp")
# Invisible letters and symbols: the Hangul fillers and the empty Braille pattern.
_BLANKS = frozenset(" \u115f\u1160\u2800\u3164\uffa0")
# Kept in a code: letters and numbers. Dashes, quotes, spaces, marks and format characters are only separators.
_LETTERS_AND_NUMBERS = ("L", "N")


def drop_byte_order_mark(data: bytes) -> bytes:
    """Remove the UTF-8 byte order mark, which some programs write first (RFC 8259 section 8.1)."""
    return data.removeprefix(BOM_UTF8)


def normalise_line(text: str, max_length: int) -> str:
    """Return one line in NFC: single spaces, no unprintable characters, at most `max_length` characters.

    Empty when nothing visible remains.
    """
    normal = unicodedata.normalize("NFC", text)
    spaced = "".join(" " if letter.isspace() else letter for letter in normal)
    shown = "".join(letter for letter in spaced if not unicodedata.category(letter).startswith(_UNPRINTABLE))
    line = unicodedata.normalize("NFC", " ".join(shown.split())[:max_length].rstrip())
    return line if set(line) - _BLANKS else ""


def require_plain_line(text: str) -> str:
    """Return a visible line in NFC with plain spaces, stripped, or raise ValueError.

    For text that people type and may type again. Raises ValueError for control, format, direction, private or
    unassigned characters, for line separators, and for a line without visible characters.
    """
    normal = unicodedata.normalize("NFC", text)
    spaced = "".join(" " if unicodedata.category(letter) == "Zs" else letter for letter in normal).strip(" ")
    if any(unicodedata.category(letter).startswith(_REJECTED_IN_LINE) for letter in spaced):
        raise ValueError("a line with characters that are not shown")
    if not set(spaced) - _BLANKS:
        raise ValueError("a line with nothing to see in it")
    return spaced


def keep_letters_and_digits(text: str) -> str:
    """Return the letters and digits of a code, in NFKC, with ASCII digits."""
    normal = unicodedata.normalize("NFKC", text)
    letters = (letter for letter in normal if unicodedata.category(letter).startswith(_LETTERS_AND_NUMBERS))
    return "".join(_ascii_digit(letter) for letter in letters)


def _ascii_digit(letter: str) -> str:
    value = unicodedata.decimal(letter, None)
    return letter if value is None else str(value)
