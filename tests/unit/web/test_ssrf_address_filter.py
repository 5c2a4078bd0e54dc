"""The SSRF address filter: non-public addresses are blocked in every notation."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from machtiging.web.outbound.ssrf_policy import SsrfPolicy, is_public_address, parse_networks

ANY_4 = st.integers(0, 2**32 - 1).map(IPv4Address)
ANY_6 = st.integers(0, 2**128 - 1).map(IPv6Address)
INSIDE = st.sampled_from(
    [
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
        "240.0.0.0/4", "255.255.255.255/32",
    ]
).map(ip_network)  # fmt: skip


@st.composite
def inside_4(draw):
    network = draw(INSIDE)
    return network[draw(st.integers(0, network.num_addresses - 1))]


@given(inside_4())
def test_ssrf_to_special_ipv4_address_is_blocked(address) -> None:
    assert not SsrfPolicy().allows_address(address)
    assert not SsrfPolicy(practice=True).allows_address(address) or address.is_loopback


@given(st.one_of(ANY_4, inside_4()))
def test_non_global_ipv4_address_is_not_public(address) -> None:
    assert not is_public_address(address) or (
        address.is_global and not address.is_multicast and not address.is_reserved
    )


@given(ANY_6)
def test_non_global_ipv6_address_is_not_public(address) -> None:
    assert not is_public_address(address) or (
        address.is_global and not address.is_multicast and not address.is_reserved
    )


@given(inside_4(), st.sampled_from(["::ffff:{}", "::{}", "64:ff9b::{}", "64:ff9b:1::{}", "::ffff:0:{}"]))
def test_ssrf_to_ipv4_embedded_in_ipv6_is_blocked(address, clothes) -> None:
    dressed = IPv6Address(clothes.format(address))
    assume(not dressed.is_loopback)  # ::0.0.0.1 is loopback, which practice allows
    assert not SsrfPolicy(practice=True).allows_address(dressed)


@given(ANY_4, ANY_4, st.integers(0, 2**16 - 1))
def test_ssrf_to_6to4_or_teredo_address_is_blocked(one, other, rest) -> None:
    six_to_four = IPv6Address((0x2002 << 112) | (int(one) << 80) | rest)
    teredo = IPv6Address((0x20010000 << 96) | (int(one) << 64) | (int(other) ^ 0xFFFFFFFF))
    assert not is_public_address(six_to_four)
    assert not is_public_address(teredo)


@pytest.mark.parametrize(
    "text",
    [
        "::", "::1", "fe80::1", "fe80::1%eth0", "2606:4700:4700::1111%1", "fc00::1", "fd12:3456::1", "fec0::1",
        "ff02::1", "ff0e::1", "2001:db8::1", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b:1::a9fe:a9fe",
        "::ffff:169.254.169.254",
        "::ffff:8.8.8.8", "::8.8.8.8", "100::1", "3fff::1", "5f00::1", "2001:10::1", "2001:20::1",
    ],
)  # fmt: skip
def test_ssrf_to_known_internal_address_is_blocked(text) -> None:
    assert not SsrfPolicy().allows_address(ip_address(text))


@pytest.mark.parametrize("text", ["1.1.1.1", "145.100.0.1", "2606:4700:4700::1111", "2a00:1450::1", "2001:610::1"])
def test_public_address_is_allowed(text) -> None:
    assert SsrfPolicy().allows_address(ip_address(text))


def test_configured_network_is_allowed_and_its_neighbour_blocked() -> None:
    reach = SsrfPolicy(parse_networks("10.1.0.0/16, fd00:1::/32"))
    assert reach.allows_address(ip_address("10.1.2.3"))
    assert reach.allows_address(ip_address("fd00:1::9"))
    assert not reach.allows_address(ip_address("10.2.0.1"))
    assert not reach.allows_address(ip_address("fd00:2::9"))
    assert not reach.allows_address(ip_address("::ffff:10.1.2.3"))


@given(ANY_4 | ANY_6, st.integers(1, 65535))
def test_only_https_ports_are_allowed_outside_configured_networks(address, port) -> None:
    assert SsrfPolicy().allows_port(address, port) == (port in (443, 8443))
    assert not SsrfPolicy().allows_http(address)


def test_practice_allows_loopback_only() -> None:
    reach = SsrfPolicy(practice=True)
    for text in ("127.0.0.1", "127.1.2.3", "::1"):
        assert reach.allows_address(ip_address(text))
        assert reach.allows_http(ip_address(text))
        assert reach.allows_port(ip_address(text), 5432)
    assert not reach.allows_address(ip_address("10.0.0.1"))
    assert not reach.allows_address(ip_address("::ffff:127.0.0.1"))
    assert not reach.allows_http(ip_address("1.1.1.1"))


@pytest.mark.parametrize("text", ["10.0.0.1/8", "loopback", "10.0.0.0/33", "*", "10.0.0.0 /8 x"])
def test_invalid_network_is_rejected(text) -> None:
    with pytest.raises(ValueError):
        parse_networks(text)


def test_empty_network_list_is_empty() -> None:
    assert parse_networks("") == parse_networks(" , ") == ()
