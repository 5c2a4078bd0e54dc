"""BSN, RSIN, OIN and KvK numbers: validation and hidden representation."""

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machtiging.kernel.bsn import Bsn, Rsin, parse_bsn, passes_11_proef
from machtiging.kernel.errors import InvalidInput
from machtiging.kernel.oin import KvkNumber, Oin

VALID_BSNS = ["123456782", "111222333", "999990019", "999990020", "999990032", "999990044"]


@pytest.mark.parametrize("digits", VALID_BSNS)
def test_bsn_that_passes_the_11_proef_is_accepted(digits):
    assert Bsn(digits).reveal() == digits
    assert Rsin(digits).reveal() == digits


@pytest.mark.parametrize(
    "digits",
    ["123456789", "000000000", "12345678", "1234567820", "12345678a", "١٢٣٤٥٦٧٨٢", " 23456782", "", "12345678²"],
)
def test_bsn_that_fails_the_11_proef_is_rejected(digits):
    with pytest.raises(InvalidInput) as refused:
        Bsn(digits)
    assert refused.value.code == "bsn_ongeldig"
    assert digits not in str(refused.value) or digits == ""


def test_bsn_that_is_no_text_is_rejected():
    with pytest.raises(InvalidInput):
        Bsn(123456782)


@given(st.sampled_from(VALID_BSNS), st.integers(0, 8), st.integers(1, 9))
def test_bsn_with_one_changed_digit_is_rejected(digits, place, step):
    changed = digits[:place] + str((int(digits[place]) + step) % 10) + digits[place + 1 :]
    assert not passes_11_proef(changed)


@given(st.sampled_from(VALID_BSNS), st.integers(0, 7))
def test_bsn_with_two_swapped_digits_is_rejected(digits, place):
    swapped = digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :]
    assert swapped == digits or not passes_11_proef(swapped)


@pytest.mark.parametrize("kind", [Bsn, Rsin])
def test_bsn_is_hidden_in_repr_and_format(kind):
    number = kind("999990019")
    shown = [repr(number), str(number), f"{number}", f"{number!r:>20}", f"{number:>12}", "%s" % number, repr([number])]  # noqa: UP031
    assert not any("999990019" in text for text in shown)


def test_bsn_cannot_be_pickled_copied_or_changed():
    number = Bsn("999990019")
    for leak in (pickle.dumps, copy.copy, json.dumps):
        with pytest.raises(TypeError):
            leak(number)
    with pytest.raises(AttributeError):
        number._digits = "123456782"
    assert not hasattr(number, "__dict__")


def test_bsn_and_rsin_of_same_digits_are_not_equal():
    assert Bsn("999990019") == Bsn("999990019")
    assert len({Bsn("999990019"), Bsn("999990019")}) == 1
    assert Bsn("999990019") != Rsin("999990019")


@pytest.mark.parametrize("value", ["00000001123456782000", "00000099000000001000"])
def test_valid_oin_is_accepted(value):
    assert str(Oin(value)) == value


@pytest.mark.parametrize(
    "value", ["", "0000009900000000100", "000000990000000010000", "00000005123456782000", "x" * 20]
)
def test_invalid_oin_is_rejected(value):
    with pytest.raises(InvalidInput) as refused:
        Oin(value)
    assert refused.value.code == "oin_ongeldig"


def test_kvk_number_without_eight_digits_is_rejected():
    assert str(KvkNumber("90000001")) == "90000001"
    for wrong in ("9000000", "900000011", "9000000a", "９0000001"):
        with pytest.raises(InvalidInput):
            KvkNumber(wrong)


@given(st.sampled_from([*VALID_BSNS, "010000008"]), st.text(" .-\u2013\u00a0\u200b/", max_size=3), st.integers(0, 9))
def test_bsn_with_separators_or_without_leading_zero_is_read(digits, between, place):
    assert parse_bsn(digits[:place] + between + digits[place:]).reveal() == digits
    assert parse_bsn(digits.removeprefix("0")).reveal() == digits


@pytest.mark.parametrize(
    "typed", ["", "999990018", "99999001", "0999990019", "999990019x", "x" * 41, "999990019" + " " * 40]
)
def test_typed_bsn_that_fails_the_11_proef_is_rejected(typed):
    with pytest.raises(InvalidInput, match="bsn_ongeldig"):
        parse_bsn(typed)
