"""What one request shows: taken from its headers as they came, judged by nobody yet."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from machtiging.access.proof.peer import from_trusted_peer


@dataclass(frozen=True, slots=True)
class Shown:
    """The proofs (RFC 9449) and certificates (RFC 9440) of a request, and the address and method they must be about."""

    method: str
    issuer: str
    path: str
    proofs: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    peer_is_trusted: bool = False


NOTHING = Shown("", "", "")


def shown_in(request: Request) -> Shown:
    """What is shown. The address is our own URL with the path as it was routed: the Host header says nothing."""
    headers, state = request.headers, request.app.state
    certificates = tuple(headers.getlist("client-cert"))
    return Shown(
        method=request.method,
        issuer=state.issuer,
        path=request.scope["path"],
        proofs=tuple(headers.getlist("dpop")),
        certificates=certificates,
        chain=tuple(headers.getlist("client-cert-chain")) if certificates else (),
        peer_is_trusted=bool(certificates) and from_trusted_peer(request),
    )
