"""The issuer: its fixed URL, keys and endpoints. The URL comes from the settings, never from a Host header."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from machtiging.crypto.certificates import NO_AUTHORITIES, CertificateAuthorities
from machtiging.crypto.keyring import KeyRing
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler

API_PATH = "/api/v1"


@dataclass(frozen=True, slots=True)
class Issuer:
    """The issuer: its URL (no trailing slash), keys, access token lifetime and details handler."""

    url: str
    keyring: KeyRing
    access_token_lifetime: timedelta
    details_handler: AuthorizationDetailsHandler
    # Trusted authorities for client certificates, and whether a proxy passes certificates on (RFC 8705, RFC 9440).
    certificate_authorities: CertificateAuthorities = NO_AUTHORITIES
    accepts_client_certificates: bool = False
    # Base URL of the mutual-TLS endpoints, when it is another one (RFC 8705 section 5).
    mtls_url: str | None = None

    @property
    def api_audience(self) -> str:
        """The audience of our access tokens: our own API."""
        return self.url + API_PATH

    @property
    def grant_management_audience(self) -> str:
        """The audience of tokens for grant management, and of no other token."""
        return self.url + "/grants"

    def endpoint_url(self, path: str) -> str:
        """Build the URL of one of our endpoints."""
        return self.url + path
