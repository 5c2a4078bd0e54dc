"""Whether a request comes from a proxy of ours: by the address of the connection, never by what a header says of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from starlette.requests import Request

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def from_trusted_peer(request: Request) -> bool:
    """Whether the other end of this very connection is one of the proxies in the settings."""
    trusted: Sequence[Network] = getattr(request.app.state, "trusted_proxies", ())
    try:
        peer = ipaddress.ip_address(request.client.host) if request.client else None
    except ValueError:
        peer = None
    if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:
        peer = peer.ipv4_mapped
    return peer is not None and any(peer in network for network in trusted)
