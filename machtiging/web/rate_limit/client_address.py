"""The client address for rate limiting. That is the peer's, or the last hop of trusted proxy headers.

Forwarding headers of other peers are ignored (spoofing). Of a trusted proxy only the configured header is read: a proxy
sets one of the two and passes the other on as the client wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import structlog
from starlette.types import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
X_FORWARDED_FOR = "x-forwarded-for"
FORWARDED = "forwarded"
_FORWARDING_HEADERS = (X_FORWARDED_FOR.encode(), FORWARDED.encode())
# One IPv6 subscriber controls a whole /64.
_IPV6_PREFIX = 64
_log = structlog.get_logger("machtiging.web")
_NO_PEER = "no-peer"
_FORWARDED_ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
_FORWARDED_FOR_PARAMETER = re.compile(r'(?i)(?:^|;)\s*for\s*=\s*(?:"([^"\\]*)"|([^;,\s"]+))\s*(?=;|$)')
_NODE_WITH_PORT = re.compile(r"\[([^\]]+)\](?::\w+)?|([0-9.]+)(?::\w+)?")


def parse_address(text: str) -> Address | None:
    """Parse an IP address and unwrap an IPv4-mapped one. None if it is invalid."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def peer_address(scope: Scope) -> Address | None:
    """Return the peer's IP address; None if it has none, as on a Unix socket."""
    client = scope.get("client")
    return parse_address(client[0]) if client else None


class ClientAddressResolver:
    """Finds the client address of a request. `header` is the one set by the trusted proxies."""

    def __init__(self, proxies: Sequence[Network], header: str = X_FORWARDED_FOR) -> None:
        self._proxies = tuple(proxies)
        self._warned = False
        self._header = header.lower().encode()
        self._parse_hops = _parse_forwarded if header.lower() == FORWARDED else _parse_x_forwarded_for

    def resolve_client_address(self, scope: Scope) -> str | None:
        """Return the address, for IPv6 its /64; None for a trusted proxy's own, unlimited request."""
        peer = peer_address(scope)
        if peer is None:
            return _NO_PEER
        if not self._is_trusted_peer(peer):
            self._warn_once(scope)
            return _address_bucket(peer)
        values = [value.decode("latin-1") for name, value in scope["headers"] if name == self._header]
        for hop in self._parse_hops(", ".join(values)):
            if hop is None:
                return f"unreadable:{peer}"  # fail closed: all such requests share one count
            if not self._is_trusted_peer(hop):
                return _address_bucket(hop)
        return None

    def _warn_once(self, scope: Scope) -> None:
        if not self._warned and any(name in _FORWARDING_HEADERS for name, _ in scope["headers"]):
            self._warned = True
            _log.warning("forwarding_proxy_not_named", setting="MACHTIGING_FORWARDING_PROXIES")

    def _is_trusted_peer(self, address: Address) -> bool:
        return any(address in network for network in self._proxies)


def _address_bucket(address: Address) -> str:
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address), _IPV6_PREFIX), strict=False))
    return str(address)


def _parse_x_forwarded_for(text: str) -> Iterator[Address | None]:
    for hop in reversed(text.split(",")) if text.strip() else ():
        yield _parse_node(hop.strip())


def _parse_forwarded(text: str) -> Iterator[Address | None]:
    """Yield the hops of Forwarded (RFC 7239 section 4), newest first."""
    for element in reversed(_FORWARDED_ELEMENT.findall(text)):
        if found := _FORWARDED_FOR_PARAMETER.search(element.strip()):
            yield _parse_node(found[1] or found[2])
        else:
            yield None


def _parse_node(text: str) -> Address | None:
    """Parse an address with or without port (RFC 7239 section 6). None for `unknown` or obfuscated."""
    if bare := parse_address(text):
        return bare
    found = _NODE_WITH_PORT.fullmatch(text)
    return parse_address(found[1] or found[2]) if found else None
