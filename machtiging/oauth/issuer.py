"""Who we are as an issuer: the fixed URL and what hangs on it. Never taken from the Host header of a request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from machtiging.crypto.keyring import KeyRing

API = "/api/v1"


@dataclass(frozen=True, slots=True)
class Issuer:
    """The issuer's URL (without a slash at the end), its keys, and how long its access tokens live."""

    url: str
    keyring: KeyRing
    token_life: timedelta

    @property
    def audience(self) -> str:
        """The one resource that our access tokens are for."""
        return self.url + API

    def endpoint(self, path: str) -> str:
        """The URL of one of our endpoints."""
        return self.url + path


def issuer_of(state: Any) -> Issuer:
    """The issuer as the application was assembled (`app.state`)."""
    return Issuer(state.issuer, state.keyring, timedelta(seconds=state.access_token_seconds))
