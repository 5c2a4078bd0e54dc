"""The credentials in one request's headers, not yet verified."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from machtiging.access.dependencies import access_services
from machtiging.access.proof.peer import from_trusted_peer
from machtiging.web.http_methods.head import request_method


@dataclass(frozen=True, slots=True)
class Shown:
    """The DPoP proofs and certificates of a request, with its method and URL.

    Sources: RFC 9449 for proofs, RFC 9440 for certificates.
    """

    method: str
    addresses: tuple[str, ...]
    path: str
    proofs: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    peer_is_trusted: bool = False


NOTHING = Shown("", (), "")


def shown_in(request: Request) -> Shown:
    """Read the credentials from the request.

    The origins come from the settings and the path from the router; the Host header is ignored.
    """
    headers, services = request.headers, access_services(request)
    mtls_url = services.mtls_url
    certificates = tuple(headers.getlist("client-cert"))
    return Shown(
        method=request_method(request),
        addresses=(services.issuer,) if mtls_url is None else (services.issuer, mtls_url),
        path=request.scope["path"],
        proofs=tuple(headers.getlist("dpop")),
        certificates=certificates,
        chain=tuple(headers.getlist("client-cert-chain")) if certificates else (),
        peer_is_trusted=bool(certificates) and from_trusted_peer(request),
    )
