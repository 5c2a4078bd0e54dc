"""Services that acts on machtigingen need."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from machtiging.delegation.rules import MachtigingLimits
from machtiging.dependencies import request_services
from machtiging.identity.dependencies import IdentityServices


@dataclass(frozen=True, kw_only=True)
class DelegationServices(IdentityServices):
    """The limits of a machtiging, beside the services for logins and sessions."""

    delegation_limits: MachtigingLimits


def delegation_services(request: HTTPConnection) -> DelegationServices:
    """Return the services for machtigingen behind a request. Raises Fault `diensten_ontbreken`."""
    return request_services(request, DelegationServices)
