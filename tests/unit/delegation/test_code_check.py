"""The check beside a code. Birth date parts or a check word; absent parts match nothing."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machtiging.delegation.code_check import (
    CheckKind,
    birth_date_matches,
    generate_check_word,
    index_check_word,
    select_check_kind,
)
from machtiging.kernel.birth_date import PartialDate, build_birth_date
from tests.builders.keys import load_keyring

PARTS = st.tuples(
    st.none() | st.sampled_from([1950, 1951]), st.none() | st.sampled_from([1, 5]), st.none() | st.sampled_from([1, 7])
)
BIRTH_DATES = PARTS.map(lambda parts: build_birth_date(*parts))


@given(BIRTH_DATES, BIRTH_DATES)
def test_birth_date_with_every_known_part_matches(born, told):
    known = [] if born is None else [part for part in ("year", "month", "day") if getattr(born, part) is not None]
    enough = "year" in known or len(known) > 1
    right = enough and told is not None and all(getattr(told, part) == getattr(born, part) for part in known)
    assert birth_date_matches(born, told) is right


@pytest.mark.parametrize(
    ("born", "kind"),
    [
        (None, CheckKind.WORD),
        (PartialDate(None, 5, None), CheckKind.WORD),
        (PartialDate(None, None, 7), CheckKind.WORD),
        (PartialDate(1950, None, None), CheckKind.YEAR),
        (PartialDate(1950, 5, None), CheckKind.PART),
        (PartialDate(1950, None, 7), CheckKind.PART),
        (PartialDate(None, 5, 7), CheckKind.PART),
        (date(1950, 5, 7), CheckKind.BIRTH_DATE),
    ],
)
def test_check_kind_depends_on_known_birth_date_parts(born, kind):
    assert select_check_kind(born) is kind
    assert birth_date_matches(born, born) is (kind is not CheckKind.WORD)


def test_check_words_are_lowercase_and_unique():
    words = {generate_check_word() for _ in range(300)}
    assert len(words) > 290
    assert all(len(word) == 6 and word.isascii() and word.isalpha() and word.islower() for word in words)


@pytest.mark.parametrize(
    "typed", ["bamoki", "BAMOKI", " Bamoki. ", "ba-mo-ki", "\uff42amoki\u200b", "\u201cbamoki\u201d"]
)
def test_check_word_in_another_spelling_matches(typed):
    ring = load_keyring()
    assert index_check_word(ring, "A", typed) == index_check_word(ring, "A", "bamoki")
    assert index_check_word(ring, "B", typed) != index_check_word(ring, "A", "bamoki")
    assert index_check_word(ring, "A", "") != index_check_word(ring, "A", "bamoki")
