"""Text that people and other systems type, in one normal form: lines to show, and codes and numbers to compare.

Sources: Unicode Standard Annex 15 (normalisation forms) and the general categories of the Unicode Character Database.
"""

from __future__ import annotations

import unicodedata
from codecs import BOM_UTF8

# Removed from a line: control, format (direction marks among them), surrogate, private and unassigned characters.
_UNSHOWN = "C"
# Not in a line either: separators of lines and paragraphs.
_NOT_IN_A_LINE = ("C", "Zl", "Zp")
# Letters and symbols that look like nothing: the Hangul fillers and the empty Braille pattern.
_BLANKS = frozenset(" \u115f\u1160\u2800\u3164\uffa0")
# Kept of a code: letters and numbers. Dashes, quotes, spaces, marks and format characters separate, they say nothing.
_TELLING = ("L", "N")


def drop_byte_order_mark(data: bytes) -> bytes:
    """Return UTF-8 bytes without the byte order mark that some programs write first (RFC 8259 section 8.1)."""
    return data.removeprefix(BOM_UTF8)


def normalise_line(text: str, longest: int) -> str:
    """Return one line in NFC: plain single spaces, no unprintable characters, cut at `longest` characters.

    Empty when there is nothing to see in it.
    """
    normal = unicodedata.normalize("NFC", text)
    spaced = "".join(" " if letter.isspace() else letter for letter in normal)
    shown = "".join(letter for letter in spaced if not unicodedata.category(letter).startswith(_UNSHOWN))
    line = unicodedata.normalize("NFC", " ".join(shown.split())[:longest].rstrip())
    return line if set(line) - _BLANKS else ""


def plain_line(text: str) -> str:
    """Return a line that people see, in NFC, every space a plain one, without spaces around it.

    For what somebody typed and may type again. Raises ValueError for a line with control, format, direction, private
    or unassigned characters or line separators, or with nothing to see in it.
    """
    normal = unicodedata.normalize("NFC", text)
    spaced = "".join(" " if unicodedata.category(letter) == "Zs" else letter for letter in normal).strip(" ")
    if any(unicodedata.category(letter).startswith(_NOT_IN_A_LINE) for letter in spaced):
        raise ValueError("a line with characters that are not shown")
    if not set(spaced) - _BLANKS:
        raise ValueError("a line with nothing to see in it")
    return spaced


def keep_letters_and_digits(text: str) -> str:
    """Return the letters and digits of a code or number as typed, in NFKC, every decimal digit as an ASCII one."""
    normal = unicodedata.normalize("NFKC", text)
    kept = (letter for letter in normal if unicodedata.category(letter).startswith(_TELLING))
    return "".join(_ascii_digit(letter) for letter in kept)


def _ascii_digit(letter: str) -> str:
    value = unicodedata.decimal(letter, None)
    return letter if value is None else str(value)
