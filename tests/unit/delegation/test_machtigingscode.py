"""The machtigingscode: format, check character and normalisation of typed codes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machtiging.delegation.machtigingscode import CODE_LENGTH, format_code, generate_code, is_well_formed_code
from machtiging.kernel.readable_code import CODE_ALPHABET, compute_check_character, normalise_code
from machtiging.kernel.text import keep_letters_and_digits

# Compatibility characters that stand for letters, digits or a mark on the one before.
NOT_LOST = [chr(c) for c in range(0x110000) if keep_letters_and_digits("A" + chr(c)) != "A"]
CODES = st.text(CODE_ALPHABET, min_size=CODE_LENGTH - 1, max_size=CODE_LENGTH - 1).map(
    lambda body: body + compute_check_character(body)
)


def test_new_codes_are_well_formed_and_unique():
    codes = {generate_code() for _ in range(500)}
    assert len(codes) == 500
    assert all(is_well_formed_code(code) for code in codes)


@given(CODES)
def test_shown_code_typed_in_lower_case_is_normalised(code):
    assert normalise_code(" " + format_code(code).lower().replace("-", " - ")) == code


@given(CODES)
def test_lookalike_letters_are_normalised_to_digits(code):
    assert normalise_code(code.replace("1", "I").replace("0", "o")) == code
    assert normalise_code(code.replace("1", "l")) == code


@given(CODES, st.integers(0, CODE_LENGTH - 1), st.sampled_from(CODE_ALPHABET))
def test_code_with_one_wrong_character_is_rejected(code, place, other):
    changed = code[:place] + other + code[place + 1 :]
    assert is_well_formed_code(changed) is (changed == code)


@given(CODES, st.integers(0, CODE_LENGTH - 1), st.integers(0, CODE_LENGTH - 1))
def test_code_with_two_swapped_characters_is_rejected(code, one, two):
    letters = list(code)
    letters[one], letters[two] = letters[two], letters[one]
    assert is_well_formed_code("".join(letters)) is ("".join(letters) == code)


@pytest.mark.parametrize(
    "typed", ["", "-", "0" * 9, "0" * 11, "UUUUUUUUUU", "é" * 10, "0" * 100_000, "\x00" * 10, "\ud800", "я" * 10]
)
def test_malformed_code_is_rejected(typed):
    assert not is_well_formed_code(normalise_code(typed))
    assert len(normalise_code(typed)) <= 40


@given(st.text(max_size=60))
def test_arbitrary_text_is_normalised_stably(typed):
    once = normalise_code(typed)
    assert isinstance(once, str)
    assert not is_well_formed_code(once) or normalise_code(once) == once


# What people type and paste between the characters of a code, and around it.
SEPARATORS = st.text(
    st.characters(categories=["P", "Z", "Cc", "Cf", "Sm", "Sk"]).filter(lambda c: c not in NOT_LOST), max_size=2
)


@given(CODES, st.data())
def test_code_with_separators_and_unicode_forms_is_normalised(code, data):
    between = data.draw(st.lists(SEPARATORS, min_size=CODE_LENGTH + 1, max_size=CODE_LENGTH + 1))
    written = [data.draw(st.sampled_from(forms_of(letter))) for letter in code]
    assert normalise_code(between[0] + "".join(map("".join, zip(written, between[1:], strict=True)))) == code


def forms_of(letter):
    """The character, small, full width, and as another script writes the digit."""
    wide = chr(ord(letter) + 0xFEE0)
    return [letter, letter.lower(), wide, wide.lower(), *([chr(0x0660 + int(letter))] if letter.isdigit() else [])]


AROUND = [
    "{}.",
    "\u201c{}\u201d",
    "'{}'",
    "\u00ab{}\u00bb",
    "\ufeff{}\u200b",
    "({})",
    "{}\r\n",
    "\u202a{}\u202c",
    "#{}!",
]
DASHES = "-\u2010\u2011\u2013\u2014\u2212\uff0d/\u00a0\t_\u00ad:"


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("dash", list(DASHES))
def test_code_with_surrounding_punctuation_is_normalised(around, dash):
    code = generate_code()
    assert normalise_code(around.format(code[:5] + dash + code[5:])) == code
