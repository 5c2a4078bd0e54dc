"""Services that a decision on access needs."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from machtiging.access.engine import Policy
from machtiging.delegation.rules import Limits
from machtiging.dependencies import request_services
from machtiging.identity.dependencies import IdentityServices


@dataclass(frozen=True, kw_only=True)
class AccessServices(IdentityServices):
    """The policy, the limits of a machtiging, and the URL for clients with a certificate (RFC 8705 section 5)."""

    policy: Policy
    delegation_limits: Limits
    mtls_url: str | None = None


def access_services(request: HTTPConnection) -> AccessServices:
    """Return the services for access decisions behind a request. Raises Fault `diensten_ontbreken`."""
    return request_services(request, AccessServices)
