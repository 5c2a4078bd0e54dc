"""The client address for rate limits: trusted proxies and forwarding headers."""

from ipaddress import IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machtiging.web.rate_limit.client_address import FORWARDED, X_FORWARDED_FOR, ClientAddressResolver

PROXIES = [ip_network(text) for text in ("10.0.0.5/32", "10.2.0.0/24", "fd00:1::/64")]
CALLER = "203.0.113.9"


def resolved(peer, *headers, header=X_FORWARDED_FOR, proxies=PROXIES):
    client = None if peer is None else (peer, 4711)
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return ClientAddressResolver(proxies, header).resolve_client_address(
        {"type": "http", "client": client, "headers": raw}
    )


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.6", "10.2.1.1", "203.0.113.1", "::ffff:203.0.113.1"])
@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP"])
@pytest.mark.parametrize("header", [X_FORWARDED_FOR, FORWARDED])
def test_forwarding_header_of_untrusted_peer_is_ignored(peer, name, header):
    value = "for=198.51.100.7" if name == "Forwarded" else "198.51.100.7"
    assert resolved(peer, (name, value), header=header) == peer.removeprefix("::ffff:")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (CALLER, CALLER),
        (f"{CALLER}:5123", CALLER),
        (f"198.51.100.7, {CALLER}", CALLER),  # what the client wrote itself stands before it
        (f'rommel,,"{{, {CALLER}', CALLER),
        (f"{CALLER}, 10.2.0.9", CALLER),  # two proxies in a row
        (f"198.51.100.7, {CALLER}, 10.2.0.9, 10.0.0.5", CALLER),
        (f"::ffff:{CALLER}", CALLER),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2:3:4:5:6]:443", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]", "2001:db8:1:2::/64"),
        (f"{CALLER}, unknown", "unreadable:10.0.0.5"),
        (f"{CALLER},", "unreadable:10.0.0.5"),
        (f"{CALLER}, 1.2.3", "unreadable:10.0.0.5"),
        (f"{CALLER}, _verborgen", "unreadable:10.0.0.5"),
        ("999.1.1.1", "unreadable:10.0.0.5"),
        ("10.2.0.9", None),  # a request of a trusted proxy itself, through another
        ("", None),
        ("   ", None),
    ],
)
def test_x_forwarded_for_of_trusted_proxy_gives_last_untrusted_hop(value, expected):
    assert resolved("10.0.0.5", ("X-Forwarded-For", value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"for={CALLER}", CALLER),
        (f"For={CALLER};proto=https;by=10.0.0.5", CALLER),
        (f"proto=https;for={CALLER}", CALLER),
        (f'for="{CALLER}:47011"', CALLER),
        ('for="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::/64"),
        ('for="[2001:db8:cafe::17]"', "2001:db8:cafe::/64"),
        (f"for=198.51.100.7, for={CALLER}", CALLER),
        (f"for={CALLER}, for=10.2.0.9", CALLER),
        (f'for="een, twee;for=198.51.100.7", for={CALLER}', CALLER),
        (f'for=198.51.100.7;x=", for={CALLER}', CALLER),
        (f'for=198.51.100.7, x=", for="{CALLER}"', "unreadable:10.0.0.5"),  # a quote that is never closed
        ("for=unknown", "unreadable:10.0.0.5"),
        ("for=_hidden", "unreadable:10.0.0.5"),
        ("by=10.0.0.5;proto=https", "unreadable:10.0.0.5"),
        ("for=10.2.0.9", None),
        ("", None),
    ],
)
def test_forwarded_of_trusted_proxy_gives_last_untrusted_hop(value, expected):
    assert resolved("10.0.0.5", ("Forwarded", value), header=FORWARDED) == expected


def test_forwarding_header_not_configured_is_ignored():
    both = (("Forwarded", "for=198.51.100.7"), ("X-Forwarded-For", CALLER))
    assert resolved("10.0.0.5", *both) == CALLER
    assert resolved("10.0.0.5", *both, header=FORWARDED) == "198.51.100.7"
    assert resolved("10.0.0.5", ("Forwarded", "for=198.51.100.7")) is None


def test_repeated_forwarding_header_is_read_as_one_list():
    assert resolved("10.0.0.5", ("X-Forwarded-For", "198.51.100.7"), ("X-Forwarded-For", CALLER)) == CALLER


def test_trusted_proxy_itself_is_not_limited():
    assert [resolved(peer) for peer in ("10.0.0.5", "10.2.0.77", "fd00:1::5", "::ffff:10.0.0.5")] == [None] * 4


def test_peer_without_ip_address_is_limited():
    assert resolved(None) == resolved("niets") == "no-peer"


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_ipv6_addresses_of_one_64_prefix_are_one_caller(address, other):
    neighbour = IPv6Address(int(address) >> 64 << 64 | other)
    if address.ipv4_mapped is None and neighbour.ipv4_mapped is None:
        assert resolved(str(address), proxies=[]) == resolved(str(neighbour), proxies=[])


@given(st.text(st.characters(codec="latin-1")), st.ip_addresses(v=4))
def test_spoofed_forwarding_header_does_not_change_the_client_address(forged, caller):
    expected = None if any(caller in network for network in PROXIES) else str(caller)
    if expected is not None:
        assert resolved("10.0.0.5", ("X-Forwarded-For", f"{forged}, {caller}")) == expected
        # An open quote of the client may make the rest unreadable, but gives no other address.
        found = resolved("10.0.0.5", ("Forwarded", f"{forged}, for={caller}"), header=FORWARDED)
        assert found in (expected, "unreadable:10.0.0.5")
