"""Mutual-TLS client authentication (RFC 8705 section 2): issued by a trusted authority, or self-signed and registered.

The proxy has verified possession of the private key only. Chain and name are checked here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from machtiging.crypto import secrets
from machtiging.crypto.certificates import Authorities, Certificate
from machtiging.oauth.client import BY_AUTHORITY, BY_ITSELF, Client
from machtiging.oauth.clients.bound import registered
from machtiging.oauth.protocol.assertion import unauthentic
from machtiging.oauth.protocol.bridge import WireRequest
from machtiging.oauth.protocol.sender import shown_certificate, shown_chain


class CertificateAuth:
    """One mutual-TLS method for Authlib: `(query_client, request) -> client`, or None when it does not apply."""

    def __init__(self, method: str, at: datetime, authorities: Authorities) -> None:
        self._method, self._at, self._authorities = method, at, authorities

    def __call__(self, query_client: Callable[[str], Client | None], request: WireRequest) -> Client | None:
        """Authenticate the client by its certificate. Raises OAuthRefusal `invalid_client` alike for every failure."""
        client_id = request.form.get("client_id")
        client = query_client(client_id) if client_id else None
        if client is None or client.auth_method != self._method:
            return None
        certificate = shown_certificate(request.shown, self._at)
        if certificate is None:
            unauthentic("certificaat_ontbreekt")
        if not self._is_of(client, certificate, shown_chain(request.shown)):
            unauthentic("certificaat_onbekend")
        request.client, request.proven = client, True
        return client

    def _is_of(self, client: Client, certificate: Certificate, between: list[Certificate]) -> bool:
        if self._method == BY_ITSELF:
            theirs = [registered(key) for key in (client.jwks or {}).get("keys", ())]
            return any(one is not None and secrets.same(one.x5t, certificate.x5t) for one in theirs)
        return _is_named(client, certificate) and self._authorities.vouch_for(certificate, between, self._at)


def _is_named(client: Client, certificate: Certificate) -> bool:
    """Check the certificate against the one registered name (RFC 8705 2.1.2)."""
    if client.certificate_name is None:
        return False
    member, value = client.certificate_name
    kind = member.removeprefix("tls_client_auth_")
    if kind == "subject_dn":
        return certificate.is_subject(value)
    return value in certificate.names(kind.removeprefix("san_"))


def certificate_methods(at: datetime, authorities: Authorities) -> dict[str, CertificateAuth]:
    """Build both methods, keyed by name."""
    return {name: CertificateAuth(name, at, authorities) for name in (BY_AUTHORITY, BY_ITSELF)}
