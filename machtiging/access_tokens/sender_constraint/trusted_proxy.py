"""Recognise a trusted proxy by the address of the connection, never by a header."""

from __future__ import annotations

import ipaddress

from starlette.requests import Request

from machtiging.web.dependencies import web_services

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_from_trusted_peer(request: Request) -> bool:
    """Return True if the peer of this connection is a proxy of the settings."""
    trusted = web_services(request).trusted_proxies
    try:
        peer = ipaddress.ip_address(request.client.host) if request.client else None
    except ValueError:
        peer = None
    if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:
        peer = peer.ipv4_mapped
    return peer is not None and any(peer in network for network in trusted)
