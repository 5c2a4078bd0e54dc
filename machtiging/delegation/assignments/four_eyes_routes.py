"""/api/v1/vier-ogen: a second teamleider or organisatiebeheerder decides, in a login session."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from machtiging.delegation.assignments.acting_employee import describe_login
from machtiging.delegation.assignments.confirmation import decide_proposals
from machtiging.delegation.assignments.four_eyes_schemas import (
    Besluit,
    VierOgenBesluitIn,
    VierOgenBesluitOut,
    VierOgenLijstOut,
    describe_proposal,
)
from machtiging.delegation.assignments.proposals import list_proposals
from machtiging.delegation.assignments.queries import MAX_PAGE_SIZE, load_viewing_leader
from machtiging.identity.csrf import CSRF_HEADER, CsrfHeaderProtected
from machtiging.identity.dependencies import identity_services
from machtiging.identity.session import Citizen
from machtiging.kernel.errors import Refusal
from machtiging.kernel.ids import MachtigingId
from machtiging.organisations.schemas import JSON, NaInQuery, describe_page
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.content_negotiation import require_acceptable, require_content_type
from machtiging.web.openapi import API_V1_PREFIX, declare_required_login, describe_request_body
from machtiging.web.validation import parse_body

_LEADERS = declare_required_login("teamleider of organisatiebeheerder")
_READS = [Depends(require_acceptable(JSON))]
_WRITES = [Depends(require_content_type(JSON)), *_READS]
PerPaginaInQuery = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Hoeveel er per keer komen.")]
ToewijzingIdInPath = Annotated[UUID, Path(alias="toewijzingId")]
router = APIRouter(prefix=API_V1_PREFIX)


@router.get(
    "/vier-ogen",
    response_model=VierOgenLijstOut,
    response_model_exclude_none=True,
    summary="Wat op een tweede persoon wacht",
    operation_id="lijstVierOgen",
    tags=["Toewijzingen"],
    dependencies=_READS,
    openapi_extra=_LEADERS,
)
async def get_vier_ogen(
    request: Request,
    response: Response,
    visitor: Citizen,
    session: Transaction,
    na: NaInQuery = None,
    aantal: PerPaginaInQuery = 50,
) -> dict[str, Any]:
    """De toewijzingen van uw organisatie die nog geen toegang geven. Na 72 uur vervallen zij vanzelf."""
    services, at = identity_services(request), identity_services(request).clock.now()
    leader = await load_viewing_leader(session, describe_login(visitor), at=at)
    found = await list_proposals(session, leader.organisation.id, at=at, after=na, limit=aantal + 1)
    response.headers[CSRF_HEADER] = visitor.csrf_token
    url = f"{services.issuer}{API_V1_PREFIX}/vier-ogen?aantal={aantal}"
    last = found[aantal - 1].authority.machtiging_id if len(found) > aantal else None
    return {"voorstellen": list(map(describe_proposal, found[:aantal])), "_links": describe_page(url, na, last)}


@router.post(
    "/vier-ogen/{toewijzingId}/_besluit",
    response_model=VierOgenBesluitOut,
    summary="Een toewijzing bevestigen of weigeren",
    operation_id="besluitVierOgen",
    tags=["Toewijzingen"],
    dependencies=_WRITES,
    openapi_extra=_LEADERS | describe_request_body(VierOgenBesluitIn, JSON),
)
async def decide_vier_ogen(
    request: Request,
    visitor: Citizen,
    _csrf: CsrfHeaderProtected,
    session: Transaction,
    toewijzing_id: ToewijzingIdInPath,
) -> dict[str, Any]:
    """Bevestigen kan alleen een ander mens dan wie de toewijzing deed. Weigeren mag die ook zelf."""
    services, at = identity_services(request), identity_services(request).clock.now()
    is_confirmed = parse_body(VierOgenBesluitIn, await request.body()).besluit is Besluit.CONFIRM
    (result,) = await decide_proposals(
        session,
        services.keyring,
        describe_login(visitor),
        [MachtigingId(toewijzing_id)],
        is_confirmed=is_confirmed,
        practice=services.practice,
        at=at,
    )
    if isinstance(result, Refusal):
        raise result
    return {"toewijzingId": result, "resultaat": "bevestigd" if is_confirmed else "geweigerd"}
