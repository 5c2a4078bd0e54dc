"""Pure rules of RFC 9449 section 4.3. `htu` equals the request URL, and `iat` lies in the window."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as some

from machtiging.access_tokens.sender_constraint.dpop_claims import htu_matches_request, is_iat_within_window

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
def test_htu_equivalent_to_request_url_is_accepted(htu, issuer, path):
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
def test_htu_of_another_url_is_rejected(htu, issuer, path):
    assert not htu_matches_request(htu, issuer, path)


@given(some.text(max_size=60), some.sampled_from(["", HERE, HERE + "/token", "https://", HERE + ":"]))
def test_arbitrary_htu_matches_only_the_request_path(text, begin):
    if htu_matches_request(begin + text, HERE, "/token"):
        assert unquote(urlsplit(begin + text).path) == "/token"


@pytest.mark.parametrize(
    "iat", [None, True, "1", float("nan"), float("inf"), [1], {}, 10**400, -(10**400)], ids=range(9)
)
def test_iat_that_is_no_number_is_rejected(iat):
    assert not is_iat_within_window(iat, 1_000_000.0)


@pytest.mark.parametrize(
    ("off", "fits"), [(-61, False), (-60, True), (0, True), (0.5, True), (10, True), (10.5, False)]
)
def test_iat_window_is_60_seconds_past_and_10_seconds_future(off, fits):
    assert is_iat_within_window(1_000_000 + off, 1_000_000.0) is fits
