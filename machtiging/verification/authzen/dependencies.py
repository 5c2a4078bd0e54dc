"""Services and the door of the AuthZEN endpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection, Request

from machtiging.access.bearer import VERIFICATION_SCOPE, Verifier, authenticate_agency
from machtiging.access.dependencies import AccessServices
from machtiging.dependencies import request_services
from machtiging.kernel.errors import NotAllowed, NotFound
from machtiging.storage.unit_of_work import Transaction
from machtiging.verification.authzen.answers import DecisionPointCall
from machtiging.verification.authzen.box.call import BoxCall, BoxServices
from machtiging.verification.authzen.box.decision_point import BoxDecisionPoint
from machtiging.verification.authzen.box.facts import LetterSource, NoLetters
from machtiging.verification.authzen.tenants import TENANT_PREFIX, TenantDecisionPoint
from machtiging.verification.journal_lines import AskingAgency
from machtiging.web import correlation_ids
from machtiging.web.doors import door
from machtiging.web.headers import add_header

# The identifier goes back to its sender only, and is never stored. So any harmless text is echoed (section 10.1.3).
_REQUEST_ID = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,128}")


@dataclass(frozen=True, kw_only=True)
class AuthzenServices(AccessServices):
    """The tenants of the operator by name, and the letters, beside the services of access."""

    authzen_tenants: Mapping[str, TenantDecisionPoint] = field(default_factory=dict)
    # The box gives it. Without it, letters are unknown here.
    letters: LetterSource = field(default_factory=NoLetters)


def authzen_services(request: HTTPConnection) -> AuthzenServices:
    """Return the services behind a request. Raises Fault `diensten_ontbreken`."""
    return request_services(request, AuthzenServices)


async def echo_request_id(request: Request) -> None:
    """Send the `X-Request-ID` of the caller back with the answer, also with an error (section 10.1.3)."""
    offered = request.headers.get(correlation_ids.REQUEST_ID_HEADER, "")
    if _REQUEST_ID.fullmatch(offered):
        add_header(request.scope, correlation_ids.REQUEST_ID_HEADER, offered)


def find_tenant(request: Request) -> TenantDecisionPoint:
    """Return the tenant in the path. Raises NotFound `authzen_tenant_onbekend`."""
    tenant = authzen_services(request).authzen_tenants.get(request.path_params["tenant"])
    if tenant is None:
        raise NotFound("authzen_tenant_onbekend")
    return tenant


def tenant_identifier(request: Request, tenant: TenantDecisionPoint) -> str:
    """Return the identifier of a tenant: the URL that its paths begin with."""
    return f"{authzen_services(request).issuer}{TENANT_PREFIX}/{tenant.name}"


@door("TenantCaller")
async def _admit_tenant_caller(request: Request, session: Transaction) -> DecisionPointCall:
    """Admit an agency that the tenant names; to a public tenant, everybody.

    Raises NotFound `authzen_tenant_onbekend`, NotAuthenticated `token_*`, NotAllowed `authzen_tenant_gesloten`.
    """
    services, tenant, caller = authzen_services(request), find_tenant(request), ""
    if not tenant.is_public:
        agency = await authenticate_agency(request, session, VERIFICATION_SCOPE)
        if agency.oin not in tenant.agencies:
            raise NotAllowed("authzen_tenant_gesloten")
        caller = agency.client_id
    identifier = tenant_identifier(request, tenant)
    return DecisionPointCall(tenant, identifier, caller, services.keyring, services.clock.now())


TenantCaller = Annotated[DecisionPointCall, Depends(_admit_tenant_caller)]


async def _prepare_box_call(request: Request, verifier: Verifier, session: Transaction) -> DecisionPointCall:
    """Prepare a call of an agency about the box."""
    services = authzen_services(request)
    at, policy = services.clock.now(), services.policy
    parts = BoxServices(services.keyring, policy.decide, policy.digest, services.entitlements, services.letters)
    agency = AskingAgency(verifier.oin, verifier.client_id)
    decision_point = BoxDecisionPoint(BoxCall(session, parts, agency, at))
    return DecisionPointCall(decision_point, services.issuer, verifier.client_id, services.keyring, at)


BoxCaller = Annotated[DecisionPointCall, Depends(_prepare_box_call)]
