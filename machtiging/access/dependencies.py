"""Services that a decision on access needs."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from machtiging.access.policy_engine import Policy
from machtiging.access_tokens.dependencies import TokenServices
from machtiging.delegation.rules import MachtigingLimits
from machtiging.dependencies import request_services


@dataclass(frozen=True, kw_only=True)
class AccessServices(TokenServices):
    """The policy and the limits of a machtiging, beside the services for access tokens."""

    policy: Policy
    delegation_limits: MachtigingLimits


def access_services(request: HTTPConnection) -> AccessServices:
    """Return the services for access decisions behind a request. Raises Fault `diensten_ontbreken`."""
    return request_services(request, AccessServices)
