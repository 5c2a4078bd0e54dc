"""Random tokens, digests and comparing."""

import base64

import pytest

from machtiging.crypto.secrets import constant_time_equals, generate_token, sha256_digest


def test_random_tokens_are_unique_and_have_requested_bits():
    tokens = {generate_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert {len(base64.urlsafe_b64decode(token + "=")) for token in tokens} == {32}
    assert len(generate_token(128)) == 22


@pytest.mark.parametrize("bits", [0, 64, 127, 129])
def test_random_token_under_128_bits_is_rejected(bits):
    with pytest.raises(ValueError):
        generate_token(bits)


def test_digest_is_sha256():
    assert sha256_digest("abc").hex().startswith("ba7816bf")


@pytest.mark.parametrize(
    ("a", "b", "equal"), [("é", "é", True), ("a", b"a", True), ("a", "b", False), ("a", "aa", False)]
)
def test_constant_time_comparison_compares_str_and_bytes(a, b, equal):
    assert constant_time_equals(a, b) is equal
