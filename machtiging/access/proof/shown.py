"""What one request shows: taken from its headers as they came, judged by nobody yet."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from machtiging.access.proof.peer import from_trusted_peer
from machtiging.web.http_methods.head import request_method


@dataclass(frozen=True, slots=True)
class Shown:
    """The proofs (RFC 9449) and certificates (RFC 9440) of a request, and the address and method they must be about."""

    method: str
    addresses: tuple[str, ...]
    path: str
    proofs: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    peer_is_trusted: bool = False


NOTHING = Shown("", (), "")


def shown_in(request: Request) -> Shown:
    """What is shown. Our addresses come from the settings, the path is as it was routed; Host has no say."""
    headers, state = request.headers, request.app.state
    mtls_url: str | None = getattr(state, "mtls_url", None)
    certificates = tuple(headers.getlist("client-cert"))
    return Shown(
        method=request_method(request),
        addresses=(state.issuer,) if mtls_url is None else (state.issuer, mtls_url),
        path=request.scope["path"],
        proofs=tuple(headers.getlist("dpop")),
        certificates=certificates,
        chain=tuple(headers.getlist("client-cert-chain")) if certificates else (),
        peer_is_trusted=bool(certificates) and from_trusted_peer(request),
    )
