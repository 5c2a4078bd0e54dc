"""Services that a decision on access needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from machtiging.access.entitlements.engine import Entitlements
from machtiging.access.policy_engine import Policy
from machtiging.access_tokens.dependencies import TokenServices
from machtiging.delegation.help_requests.dependencies import DelegationServices
from machtiging.delegation.statutory.precedence import Precedence
from machtiging.delegation.statutory.rules import StatutoryKind
from machtiging.dependencies import request_services


@dataclass(frozen=True, kw_only=True)
class AccessServices(TokenServices, DelegationServices):
    """The policy, the precedence of measures and the kinds of registers, beside tokens and machtigingen.

    `register_kinds`: the kinds of relation that a register may tell of, by OIN. Without `entitlements` no agency may
    ask anything.
    """

    policy: Policy
    precedence: Precedence
    entitlements: Entitlements = field(default_factory=lambda: Entitlements(()))
    register_kinds: Mapping[str, frozenset[StatutoryKind]] = field(default_factory=dict)


def access_services(request: HTTPConnection) -> AccessServices:
    """Return the services for access decisions behind a request. Raises Fault `diensten_ontbreken`."""
    return request_services(request, AccessServices)
