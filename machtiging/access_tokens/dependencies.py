"""Services that the check of an access token needs."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from machtiging.dependencies import request_services
from machtiging.identity.dependencies import IdentityServices


@dataclass(frozen=True, kw_only=True)
class TokenServices(IdentityServices):
    """The services of a login, and the URL for clients with a certificate (RFC 8705 section 5)."""

    mtls_url: str | None = None


def token_services(request: HTTPConnection) -> TokenServices:
    """Return the services for access tokens behind a request. Raises Fault `diensten_ontbreken`."""
    return request_services(request, TokenServices)
