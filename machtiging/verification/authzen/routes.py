"""Endpoints of AuthZEN 1.0, for the box and for the tenants of the operator.

A call about the box is in the journal, one line for each person asked about. A call to a tenant is in the log.
"""

from __future__ import annotations

from typing import Any

import structlog
from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from machtiging.verification.authzen.answers import (
    DecisionPointCall,
    answer_evaluation,
    answer_evaluations,
    answer_search,
    read_request_object,
)
from machtiging.verification.authzen.dependencies import (
    BoxCaller,
    TenantCaller,
    authzen_services,
    echo_request_id,
    find_tenant,
    tenant_identifier,
)
from machtiging.verification.authzen.metadata import (
    API_PATH,
    WELL_KNOWN_PATH,
    build_metadata,
    sign_decision_point_metadata,
)
from machtiging.verification.authzen.rules import SearchKind
from machtiging.verification.authzen.tenants import TENANT_PREFIX
from machtiging.web.doors import Public

router = APIRouter(include_in_schema=False, dependencies=[Depends(echo_request_id)])
_CACHEABLE = {"Cache-Control": "public, max-age=3600"}
_TENANT_API = TENANT_PREFIX + "/{tenant}" + API_PATH
_log = structlog.get_logger("machtiging.verification")


def _log_call(call: DecisionPointCall, api: str, answer: dict[str, Any]) -> None:
    """Log one line for each call, without identifiers of the question."""
    decisions = answer.get("evaluations", [answer] if "decision" in answer else [])
    allowed = sum(one["decision"] for one in decisions)
    found = len(answer.get("results", ()))
    _log.info(
        "authzen_call", pdp=call.identifier, api=api, allowed=allowed, denied=len(decisions) - allowed, found=found
    )


@router.post(API_PATH + "/evaluation")
async def evaluate_access_to_box(request: Request, call: BoxCaller) -> Response:
    """Decide one question about the box (section 6)."""
    return JSONResponse(await answer_evaluation(call, await read_request_object(request)))


@router.post(API_PATH + "/evaluations")
async def evaluate_batch_for_box(request: Request, call: BoxCaller) -> Response:
    """Decide a batch of questions about the box (section 7)."""
    return JSONResponse(await answer_evaluations(call, await read_request_object(request)))


@router.post(API_PATH + "/search/{kind}")
async def search_in_box(request: Request, kind: SearchKind, call: BoxCaller) -> Response:
    """Search diensten, letters or acts (section 8). Subjects are never found."""
    return JSONResponse(await answer_search(call, kind, await read_request_object(request)))


@router.get(WELL_KNOWN_PATH)
async def get_box_metadata(request: Request, _door: Public) -> Response:
    """Return the metadata of the decision point of the box (section 9)."""
    return _build_metadata_response(request, authzen_services(request).issuer)


@router.post(_TENANT_API + "/evaluation")
async def evaluate_for_tenant(request: Request, call: TenantCaller) -> Response:
    """Decide one question (section 6)."""
    answer = await answer_evaluation(call, await read_request_object(request))
    _log_call(call, "evaluation", answer)
    return JSONResponse(answer)


@router.post(_TENANT_API + "/evaluations")
async def evaluate_batch_for_tenant(request: Request, call: TenantCaller) -> Response:
    """Decide a batch of questions (section 7)."""
    answer = await answer_evaluations(call, await read_request_object(request))
    _log_call(call, "evaluations", answer)
    return JSONResponse(answer)


@router.post(_TENANT_API + "/search/{kind}")
async def search_for_tenant(request: Request, kind: SearchKind, call: TenantCaller) -> Response:
    """Search subjects, resources or actions (section 8)."""
    answer = await answer_search(call, kind, await read_request_object(request))
    _log_call(call, f"search_{kind}", answer)
    return JSONResponse(answer)


@router.get(WELL_KNOWN_PATH + TENANT_PREFIX + "/{tenant}")
async def get_tenant_metadata(request: Request, _door: Public) -> Response:
    """Return the metadata of a tenant: the well-known name stands between host and path (section 9.2)."""
    return _build_metadata_response(request, tenant_identifier(request, find_tenant(request)))


def _build_metadata_response(request: Request, identifier: str) -> Response:
    services = authzen_services(request)
    document = build_metadata(identifier)
    signed = sign_decision_point_metadata(services.keyring, document, issuer=services.issuer, at=services.clock.now())
    return JSONResponse(signed, headers=_CACHEABLE)
