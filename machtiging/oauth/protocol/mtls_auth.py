"""Mutual TLS (mTLS) client authentication (RFC 8705 section 2).

The certificate is issued by a trusted authority, or self-signed and registered.

The proxy has verified possession of the private key only. Chain and name are checked here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from machtiging.crypto import secrets
from machtiging.crypto.certificates import Certificate, CertificateAuthorities
from machtiging.oauth.client import SELF_SIGNED_TLS_CLIENT_AUTH, TLS_CLIENT_AUTH, Client
from machtiging.oauth.client_jwks.registered_certificates import parse_registered_certificate
from machtiging.oauth.protocol.client_assertion import refuse_client_auth
from machtiging.oauth.protocol.requests import OAuthRequest
from machtiging.oauth.protocol.token_binding import parse_request_certificate, parse_request_chain


class MutualTlsClientAuth:
    """One mutual-TLS method for Authlib: `(query_client, request) -> client`. None when it does not apply."""

    def __init__(self, method: str, at: datetime, authorities: CertificateAuthorities) -> None:
        self._method, self._at, self._authorities = method, at, authorities

    def __call__(self, query_client: Callable[[str], Client | None], request: OAuthRequest) -> Client | None:
        """Authenticate the client by its certificate. Raises OAuthRefusal `invalid_client` alike for every failure."""
        client_id = request.form.get("client_id")
        client = query_client(client_id) if client_id else None
        if client is None or client.auth_method != self._method:
            return None
        certificate = parse_request_certificate(request.presented, self._at)
        if certificate is None:
            refuse_client_auth("certificaat_ontbreekt")
        if not self._certificate_matches(client, certificate, parse_request_chain(request.presented)):
            refuse_client_auth("certificaat_onbekend")
        request.client, request.credential_proven = client, True
        return client

    def _certificate_matches(self, client: Client, certificate: Certificate, intermediates: list[Certificate]) -> bool:
        if self._method == SELF_SIGNED_TLS_CLIENT_AUTH:
            theirs = [parse_registered_certificate(key) for key in (client.jwks or {}).get("keys", ())]
            return any(one is not None and secrets.constant_time_equals(one.x5t, certificate.x5t) for one in theirs)
        return _subject_matches(client, certificate) and self._authorities.verify_chain(
            certificate, intermediates, self._at
        )


def _subject_matches(client: Client, certificate: Certificate) -> bool:
    """Check the certificate against the one registered name (RFC 8705 2.1.2)."""
    if client.certificate_subject is None:
        return False
    member, value = client.certificate_subject
    kind = member.removeprefix("tls_client_auth_")
    if kind == "subject_dn":
        return certificate.subject_matches(value)
    return value in certificate.subject_alt_names(kind.removeprefix("san_"))


def build_mtls_auth_methods(at: datetime, authorities: CertificateAuthorities) -> dict[str, MutualTlsClientAuth]:
    """Build both methods, keyed by name."""
    return {name: MutualTlsClientAuth(name, at, authorities) for name in (TLS_CLIENT_AUTH, SELF_SIGNED_TLS_CLIENT_AUTH)}
