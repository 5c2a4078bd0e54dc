"""Normalisation of user text and of pasted codes."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machtiging.kernel.text import keep_letters_and_digits, normalise_line

ANY_TEXT = st.text(st.characters(), max_size=60)
SEPARATORS = st.text(st.characters(categories=["P", "Z", "C", "M", "S"]), max_size=4)


@given(ANY_TEXT, st.integers(1, 20))
def test_normalised_line_is_short_printable_and_stable(text, longest):
    line = normalise_line(text, longest)
    assert len(line) <= longest
    assert line == unicodedata.normalize("NFC", line).strip()
    assert not any(unicodedata.category(letter).startswith("C") for letter in line)
    assert "  " not in line
    assert normalise_line(line, longest) == line


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("Jan\u00a0de\u202fWit", "Jan de Wit"),
        ("Jan\r\n\tde  Wit\u2028", "Jan de Wit"),
        ("Jose\u0301", "José"),
        ("\u202eJan\u202c\u200b\ufeff \u2066Wit\u2069", "Jan Wit"),
        ("Jan\x00\x1b[2J\ud800", "Jan[2J"),
        ("a" * 300, "a" * 200),
        ("\u200b\u00a0", ""),
        ("\u3164 \u2800", ""),
    ],
)
def test_line_with_control_characters_is_repaired(typed, line):
    assert normalise_line(typed, 200) == line


@given(ANY_TEXT)
def test_keep_letters_and_digits_is_idempotent(text):
    once = keep_letters_and_digits(text)
    assert keep_letters_and_digits(once) == once


@pytest.mark.parametrize(
    "typed", ["1\u20132\u20143", "\uff11\uff12\uff13", "\u0661\u0662\u0663", "\u201c1/2/3.\u201d\u200b"]
)
def test_unicode_digits_are_normalised(typed):
    assert keep_letters_and_digits(typed) == "123"
