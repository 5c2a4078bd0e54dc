"""The issuer: its fixed URL, keys and endpoints. The URL comes from the settings, never from a Host header."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from machtiging.crypto.certificates import NOBODY, Authorities
from machtiging.crypto.keyring import KeyRing

API = "/api/v1"


@dataclass(frozen=True, slots=True)
class Issuer:
    """The issuer's URL (no trailing slash), its keys and the lifetime of its access tokens."""

    url: str
    keyring: KeyRing
    token_life: timedelta
    # Trusted authorities for client certificates, and whether a proxy passes certificates on (RFC 8705, RFC 9440).
    authorities: Authorities = NOBODY
    sees_certificates: bool = False
    # Base URL of the mutual-TLS endpoints, when it is another one (RFC 8705 section 5).
    mtls_url: str | None = None

    @property
    def audience(self) -> str:
        """The audience of our access tokens: our own API."""
        return self.url + API

    @property
    def grants(self) -> str:
        """The audience of tokens for grant management, and of no other token."""
        return self.url + "/grants"

    def endpoint(self, path: str) -> str:
        """Build the URL of one of our endpoints."""
        return self.url + path
