"""Services that a decision on access needs."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from machtiging.access.policy_engine import Policy
from machtiging.access_tokens.dependencies import TokenServices
from machtiging.delegation.help_requests.dependencies import DelegationServices
from machtiging.delegation.statutory.precedence import Precedence
from machtiging.dependencies import request_services


@dataclass(frozen=True, kw_only=True)
class AccessServices(TokenServices, DelegationServices):
    """The policy and the precedence of measures, beside tokens and machtigingen."""

    policy: Policy
    precedence: Precedence


def access_services(request: HTTPConnection) -> AccessServices:
    """Return the services for access decisions behind a request. Raises Fault `diensten_ontbreken`."""
    return request_services(request, AccessServices)
