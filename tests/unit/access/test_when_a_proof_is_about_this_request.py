"""The pure rules of RFC 9449 section 4.3: the same address however it is spelled, and an age that fits."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as some

from machtiging.access.sender_constraint.dpop_claims import htu_matches_request, is_iat_within_window

HERE = "https://machtigen.test"


@pytest.mark.parametrize(
    ("htu", "issuer", "path"),
    [
        ("https://machtigen.test/token", HERE, "/token"),
        ("https://machtigen.test:443/token", HERE, "/token"),
        ("https://machtigen.test/token", HERE + ":443", "/token"),
        ("HTTPS://Machtigen.Test/token", HERE, "/token"),
        ("https://machtigen.test/%74oken", HERE, "/token"),
        ("https://machtigen.test/token?a=b#c", HERE, "/token"),
        ("https://machtigen.test", HERE, "/"),
        ("https://machtigen.test/post/token", HERE + "/post", "/token"),
        ("https://machtigen.test/brief/a%3Fb", HERE, "/brief/a?b"),
        ("https://machtigen.test/brief/%C3%A9", HERE, "/brief/é"),
    ],
)
def test_the_same_address(htu, issuer, path):
    assert htu_matches_request(htu, issuer, path)


@pytest.mark.parametrize(
    ("htu", "issuer", "path"),
    [
        ("https://machtigen.test/token/", HERE, "/token"),
        ("https://machtigen.test//token", HERE, "/token"),
        ("https://machtigen.test/Token", HERE, "/token"),
        ("https://machtigen.test/x/../token", HERE, "/token"),
        ("https://machtigen.test:8443/token", HERE, "/token"),
        ("http://machtigen.test/token", HERE, "/token"),
        ("https://machtigen.test.dief.example/token", HERE, "/token"),
        ("https://machtigen.test@dief.example/token", HERE, "/token"),
        ("https://dief@machtigen.test/token", HERE, "/token"),
        ("https://machtigen.test\\@dief.example/token", HERE, "/token"),
        ("https://machtigen.test/token", HERE + "/post", "/token"),
        ("https://machtigen.test/brief/a", HERE, "/brief/a?b"),
        ("https://machtigen.test/brief/a", HERE, "/brief/a#b"),
        ("https://machtigen.test/brief/é", HERE, "/brief/é"),
        ("https://machtigen.test/token ", HERE, "/token"),
        ("https://machtigen.test/to\nken", HERE, "/token"),
        ("https://[::1/token", HERE, "/token"),
        ("file:///token", HERE, "/token"),
        ("/token", HERE, "/token"),
        ("//machtigen.test/token", HERE, "/token"),
        ("", HERE, "/"),
        (None, HERE, "/token"),
        (7, HERE, "/token"),
        ("https://machtigen.test/" + "a" * 2048, HERE, "/" + "a" * 2048),
    ],
)
def test_another_address(htu, issuer, path):
    assert not htu_matches_request(htu, issuer, path)


@given(some.text(max_size=60), some.sampled_from(["", HERE, HERE + "/token", "https://", HERE + ":"]))
def test_whatever_is_claimed_gets_an_answer_and_only_this_path_is_this_path(text, begin):
    if htu_matches_request(begin + text, HERE, "/token"):
        assert unquote(urlsplit(begin + text).path) == "/token"


@pytest.mark.parametrize(
    "iat", [None, True, "1", float("nan"), float("inf"), [1], {}, 10**400, -(10**400)], ids=range(9)
)
def test_what_is_no_instant_does_not_fit(iat):
    assert not is_iat_within_window(iat, 1_000_000.0)


@pytest.mark.parametrize(
    ("off", "fits"), [(-61, False), (-60, True), (0, True), (0.5, True), (10, True), (10.5, False)]
)
def test_a_minute_behind_and_ten_seconds_ahead(off, fits):
    assert is_iat_within_window(1_000_000 + off, 1_000_000.0) is fits
