"""Which addresses may be visited: those of the whole internet, and what the operator allows besides. Pure.

Source: the special-purpose address registries of IANA (RFC 6890), CWE-918. Everything that another address hides in
(IPv4-mapped and -compatible, 6to4, Teredo, NAT64) is refused: what is judged must be what is visited.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# Of IPv6 only what is given out to the world, minus what is special in there.
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
    """How far we go. `networks` are visited too, on any port; `practice` adds this machine itself, also by http."""

    networks: tuple[Network, ...] = ()
    practice: bool = False

    def named(self, address: Address) -> bool:
        """Whether the operator allows this address by name, or it is this machine in practice."""
        own = self.practice and address.is_loopback and not _hides_another(address)
        return own or any(_within(address, network) for network in self.networks)

    def admits(self, address: Address) -> bool:
        """Whether this address may be visited at all."""
        return self.named(address) or is_public(address)

    def admits_port(self, address: Address, port: int) -> bool:
        """The ports of https; any where the operator allows the address itself. So nobody's ports are scanned."""
        return port in _USUAL_PORTS or self.named(address)

    def admits_http(self, address: Address) -> bool:
        """Without TLS only to this machine, in practice."""
        return self.practice and address.is_loopback and not _hides_another(address)


def is_public(address: Address) -> bool:
    """Whether this is an ordinary address on the internet: not private, shared, local, special, multicast, reserved."""
    if isinstance(address, IPv6Address) and (address.scope_id is not None or address not in _GIVEN_OUT):
        return False
    return not any(_within(address, block) for block in _SPECIAL)


def _within(address: Address, network: Network) -> bool:
    return address.version == network.version and address in network


def _hides_another(address: Address) -> bool:
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None


def networks_from(text: str) -> tuple[Network, ...]:
    """Networks from a setting: `10.1.0.0/16, fd00:1::/32`. Raises ValueError."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def address_from(text: str) -> Address:
    """One address as a resolver gives it. Raises ValueError."""
    return ip_address(text)
