"""Envelope encryption: a ciphertext opens only with its key and its context."""

import copy
import pickle

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from machtiging.crypto.envelope_encryption import DataKey
from machtiging.kernel.errors import Fault

KEY, OTHER = DataKey(bytes(range(32))), DataKey(bytes(32))
words = st.text(min_size=1, max_size=12).filter(lambda word: "|" not in word)
places = st.lists(words, min_size=1, max_size=4).map(tuple)


@given(st.binary(max_size=200), places)
def test_ciphertext_opens_with_its_context(plaintext, place):
    assert KEY.decrypt(KEY.encrypt(plaintext, *place), *place) == plaintext


@given(st.binary(max_size=40), places, st.data())
def test_ciphertext_with_changed_byte_is_rejected(plaintext, place, data):
    sealed = bytearray(KEY.encrypt(plaintext, *place))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Fault, match="versleuteling_klopt_niet"):
        KEY.decrypt(bytes(sealed), *place)


@given(st.binary(max_size=40), places, places)
def test_ciphertext_moved_to_another_context_is_rejected(plaintext, place, elsewhere):
    assume(place != elsewhere)
    with pytest.raises(Fault, match="versleuteling_klopt_niet"):
        KEY.decrypt(KEY.encrypt(plaintext, *place), *elsewhere)


@given(st.binary(max_size=40), places)
def test_ciphertext_under_another_key_is_rejected(plaintext, place):
    with pytest.raises(Fault, match="versleuteling_klopt_niet"):
        OTHER.decrypt(KEY.encrypt(plaintext, *place), *place)


@given(st.binary(max_size=40), places, st.data())
def test_ciphertext_truncated_or_extended_is_rejected(plaintext, place, data):
    sealed = KEY.encrypt(plaintext, *place)
    cut = sealed[: data.draw(st.integers(0, len(sealed) - 1))]
    for damaged in (cut, sealed + b"\0", b""):
        with pytest.raises(Fault, match="versleuteling_klopt_niet"):
            KEY.decrypt(damaged, *place)


@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_rejected(garbage):
    with pytest.raises(Fault, match="versleuteling_klopt_niet"):
        KEY.decrypt(garbage, "bericht")


@pytest.mark.parametrize("place", [(), ("",), ("a", ""), ("a|b",), ("|",)])
def test_ambiguous_context_is_rejected(place):
    with pytest.raises(ValueError):
        KEY.encrypt(b"x", *place)
    with pytest.raises(ValueError):
        KEY.decrypt(KEY.encrypt(b"x", "a", "b"), *place)


def test_encrypting_twice_gives_different_ciphertexts():
    assert KEY.encrypt(b"x", "a") != KEY.encrypt(b"x", "a")


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_key_of_wrong_length_is_rejected(length):
    with pytest.raises(ValueError):
        DataKey(bytes(length))


def test_data_key_is_hidden_in_repr_and_cannot_be_pickled_or_copied():
    assert repr(KEY) == str(KEY) == f"{KEY}" == "DataKey(***)"
    for write in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            write(KEY)
