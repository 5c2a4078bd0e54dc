"""The credentials in one request's Authorization, DPoP and Client-Cert headers, not yet verified."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from machtiging.access_tokens.dependencies import token_services
from machtiging.access_tokens.sender_constraint.trusted_proxy import is_from_trusted_peer
from machtiging.web.http_methods.head import sent_method


@dataclass(frozen=True, slots=True)
class PresentedCredentials:
    """The DPoP proofs and certificates of a request, with its method and URL.

    Sources: RFC 9449 for proofs, RFC 9440 for certificates.
    """

    method: str
    allowed_origins: tuple[str, ...]
    path: str
    proofs: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    is_from_trusted_peer: bool = False


NO_CREDENTIALS = PresentedCredentials("", (), "")


def read_presented_credentials(request: Request) -> PresentedCredentials:
    """Read the credentials from the request.

    The origins come from the settings and the path from the router; the Host header is ignored.
    """
    headers, services = request.headers, token_services(request)
    mtls_url = services.mtls_url
    certificates = tuple(headers.getlist("client-cert"))
    return PresentedCredentials(
        method=sent_method(request),
        allowed_origins=(services.issuer,) if mtls_url is None else (services.issuer, mtls_url),
        path=request.scope["path"],
        proofs=tuple(headers.getlist("dpop")),
        certificates=certificates,
        chain=tuple(headers.getlist("client-cert-chain")) if certificates else (),
        is_from_trusted_peer=bool(certificates) and is_from_trusted_peer(request),
    )
