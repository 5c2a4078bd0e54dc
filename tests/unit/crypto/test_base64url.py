"""Only canonical base64url is read (RFC 7515 section 2, RFC 4648 section 3.5)."""

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
def test_base64url_round_trip_is_identity(raw):
    assert decode_base64url(encode_base64url(raw)) == raw


@given(st.text(alphabet=LETTERS + ODD, max_size=12))
def test_non_canonical_base64url_is_rejected(text):
    raw = read(text)
    assert raw is None or encode_base64url(raw) == text


@pytest.mark.parametrize("length", [1, 2])
def test_short_texts_are_read_only_if_canonical(length):
    texts = {"".join(text) for text in product(LETTERS + ODD, repeat=length)}
    written = {encode_base64url(bytes([one])) for one in range(256)} if length == 2 else set()
    assert {text for text in texts if read(text) is not None} == written


@pytest.mark.parametrize("odd", ODD)
def test_character_outside_alphabet_is_rejected_at_any_position(odd):
    for place in range(5):
        assert read("abcd"[:place] + odd + "abcd"[place:]) is None


def test_padding_and_stray_bits_are_rejected():
    """Stray bits at the end, padding and the other alphabet are not canonical."""
    for loose in ("QR", "QUF", "QQ==", "QUE=", "+_8", "/w"):
        assert base64.urlsafe_b64decode(loose.rstrip("=") + "==")
        assert read(loose) is None
