"""Each row of bytes has one text in base64url, and only that one is read (RFC 7515 section 2, RFC 4648 section 3.5)."""

import base64
import string
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machtiging.crypto.jose import decode_base64url, encode_base64url
from machtiging.kernel.errors import NotAuthenticated

ODD = "+/= \n\t.!é\0"
LETTERS = string.ascii_letters + string.digits + "-_"


def read(text):
    try:
        return decode_base64url(text)
    except NotAuthenticated:
        return None


@given(st.binary(max_size=40))
def test_what_was_written_is_read(raw):
    assert decode_base64url(encode_base64url(raw)) == raw


@given(st.text(alphabet=LETTERS + ODD, max_size=12))
def test_no_other_text_is_read_than_the_one_that_is_written(text):
    raw = read(text)
    assert raw is None or encode_base64url(raw) == text


@pytest.mark.parametrize("length", [1, 2])
def test_of_the_texts_of_so_many_characters_exactly_those_are_read_that_bytes_have(length):
    texts = {"".join(text) for text in product(LETTERS + ODD, repeat=length)}
    written = {encode_base64url(bytes([one])) for one in range(256)} if length == 2 else set()
    assert {text for text in texts if read(text) is not None} == written


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_character_is_refused_wherever_it_stands(odd):
    for place in range(5):
        assert read("abcd"[:place] + odd + "abcd"[place:]) is None


def test_what_a_lenient_reader_takes_for_the_same_is_refused():
    """Loose bits at the end, padding, the other alphabet: each reads as bytes that have another text."""
    for loose in ("QR", "QUF", "QQ==", "QUE=", "+_8", "/w"):
        assert base64.urlsafe_b64decode(loose.rstrip("=") + "==")
        assert read(loose) is None
