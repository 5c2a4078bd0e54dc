"""SSRF policy: the IP addresses that outbound requests may reach. Pure functions, no I/O.

Public internet addresses, plus networks allowed by the operator. Sources: IANA special-purpose address registries (RFC
6890), CWE-918. Addresses that embed another (IPv4-mapped and -compatible, 6to4, Teredo, NAT64) are refused, so that the
checked address is the connected address.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# Of IPv6 only allocated global unicast, minus the special-purpose blocks in it.
_GIVEN_OUT = IPv6Network("2000::/3")
_SPECIAL: tuple[Network, ...] = tuple(
    ip_network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
_USUAL_PORTS = frozenset({443, 8443})


@dataclass(frozen=True, slots=True)
class Reach:
    """The SSRF policy: extra `networks`, on any port, and `practice`, which adds loopback and http."""

    networks: tuple[Network, ...] = ()
    practice: bool = False

    def named(self, address: Address) -> bool:
        """Return True if the operator allows this address, or it is loopback in practice mode."""
        own = self.practice and address.is_loopback and not _hides_another(address)
        return own or any(_within(address, network) for network in self.networks)

    def admits(self, address: Address) -> bool:
        """Return True if outbound requests may connect to this address."""
        return self.named(address) or is_public(address)

    def admits_port(self, address: Address, port: int) -> bool:
        """Return True for an https port, or any port of an operator-allowed address. Prevents port scanning."""
        return port in _USUAL_PORTS or self.named(address)

    def admits_http(self, address: Address) -> bool:
        """Return True if http without TLS is allowed: only to loopback, in practice mode."""
        return self.practice and address.is_loopback and not _hides_another(address)


def is_public(address: Address) -> bool:
    """Return True for a global unicast address: not private, shared, link-local, special, multicast or reserved."""
    if isinstance(address, IPv6Address) and (address.scope_id is not None or address not in _GIVEN_OUT):
        return False
    return not any(_within(address, block) for block in _SPECIAL)


def _within(address: Address, network: Network) -> bool:
    return address.version == network.version and address in network


def _hides_another(address: Address) -> bool:
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None


def networks_from(text: str) -> tuple[Network, ...]:
    """Parse networks from a setting: `10.1.0.0/16, fd00:1::/32`. Raises ValueError."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def address_from(text: str) -> Address:
    """Parse one address from a resolver. Raises ValueError."""
    return ip_address(text)
