"""Who we are as an issuer: the fixed URL and what hangs on it. Never taken from the Host header of a request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from machtiging.crypto.certificates import NOBODY, Authorities
from machtiging.crypto.keyring import KeyRing

API = "/api/v1"


@dataclass(frozen=True, slots=True)
class Issuer:
    """The issuer's URL (without a slash at the end), its keys, and how long its access tokens live."""

    url: str
    keyring: KeyRing
    token_life: timedelta
    # Who may vouch for certificates of clients, and whether a proxy passes any on (RFC 8705, RFC 9440).
    authorities: Authorities = NOBODY
    sees_certificates: bool = False
    # Where clients with a certificate come, when that is not here (RFC 8705 section 5).
    mtls_url: str | None = None

    @property
    def audience(self) -> str:
        """The one resource that our access tokens are for."""
        return self.url + API

    @property
    def grants(self) -> str:
        """Where clients manage the grants that people gave them: the resource of management tokens, and of no other."""
        return self.url + "/grants"

    def endpoint(self, path: str) -> str:
        """The URL of one of our endpoints."""
        return self.url + path


def issuer_of(state: Any) -> Issuer:
    """The issuer as the application was assembled (`app.state`)."""
    return Issuer(
        state.issuer,
        state.keyring,
        timedelta(seconds=state.access_token_seconds),
        getattr(state, "authorities", NOBODY),
        bool(getattr(state, "trusted_proxies", ())),
        getattr(state, "mtls_url", None),
    )
