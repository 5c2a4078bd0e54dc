"""/api/v1/vervangingen: a teamleider lets a colleague stand in for an absent employee."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from machtiging.audit.acts import JournalAct
from machtiging.delegation.assignments.acting_employee import describe_login
from machtiging.delegation.assignments.queries import load_viewing_leader
from machtiging.delegation.stand_ins.creation import create_stand_in
from machtiging.delegation.stand_ins.ending import end_stand_in
from machtiging.delegation.stand_ins.queries import MAX_PAGE_SIZE, list_stand_ins
from machtiging.delegation.stand_ins.schemas import (
    NieuweVervangingOut,
    VervangingenOut,
    VervangingIn,
    describe_created,
    describe_stand_in,
    parse_request,
)
from machtiging.identity.csrf import CSRF_HEADER, CsrfHeaderProtected
from machtiging.identity.dependencies import identity_services
from machtiging.identity.session import Citizen
from machtiging.organisations.schemas import JSON, NaInQuery, describe_page
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.content_negotiation import require_acceptable, require_content_type
from machtiging.web.openapi import API_V1_PREFIX, declare_required_login, describe_request_body
from machtiging.web.validation import parse_body

_LEADERS = declare_required_login("teamleider of organisatiebeheerder")
_READS = [Depends(require_acceptable(JSON))]
router = APIRouter(prefix=API_V1_PREFIX)
VervangingIdInPath = Annotated[UUID, Path(alias="vervangingId")]
PerPaginaInQuery = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Hoeveel er per keer komen.")]


@router.get(
    "/vervangingen",
    response_model=VervangingenOut,
    summary="De vervangingen van uw organisatie",
    operation_id="lijstVervangingen",
    tags=["Vervangingen"],
    dependencies=_READS,
    openapi_extra=_LEADERS,
)
async def get_vervangingen(
    request: Request,
    response: Response,
    visitor: Citizen,
    session: Transaction,
    na: NaInQuery = None,
    aantal: PerPaginaInQuery = 50,
) -> dict[str, Any]:
    """Wat nu loopt en wat nog komt. Wat voorbij is, staat er niet bij."""
    services, at = identity_services(request), identity_services(request).clock.now()
    login = describe_login(visitor)
    leader = await load_viewing_leader(session, login, at=at, act=JournalAct.VERVANGING_LIJST)
    found = await list_stand_ins(session, leader.organisation.id, at=at, after=na, limit=aantal + 1)
    response.headers[CSRF_HEADER] = visitor.csrf_token
    url = f"{services.issuer}{API_V1_PREFIX}/vervangingen?aantal={aantal}"
    last = found[aantal - 1].id if len(found) > aantal else None
    return {"vervangingen": list(map(describe_stand_in, found[:aantal])), "_links": describe_page(url, na, last)}


@router.post(
    "/vervangingen",
    response_model=NieuweVervangingOut,
    response_model_exclude_none=True,
    status_code=201,
    summary="Een collega laten vervangen",
    operation_id="maakVervanging",
    tags=["Vervangingen"],
    dependencies=[Depends(require_content_type(JSON)), *_READS],
    openapi_extra=_LEADERS | describe_request_body(VervangingIn, JSON),
)
async def post_vervanging(
    request: Request, visitor: Citizen, _csrf: CsrfHeaderProtected, session: Transaction
) -> dict[str, Any]:
    """De vervanger ziet hooguit wat de afwezige collega ziet. Ook cliënten die er later bij komen.

    Vraagt uw organisatie vier ogen, dan is er pas toegang na een tweede persoon.
    """
    services, at = identity_services(request), identity_services(request).clock.now()
    wanted = parse_request(parse_body(VervangingIn, await request.body()))
    return describe_created(await create_stand_in(session, services.keyring, describe_login(visitor), wanted, at=at))


@router.delete(
    "/vervangingen/{vervangingId}",
    status_code=204,
    summary="Een vervanging eerder laten stoppen",
    operation_id="beeindigVervanging",
    tags=["Vervangingen"],
    openapi_extra=_LEADERS,
)
async def delete_vervanging(
    request: Request,
    visitor: Citizen,
    _csrf: CsrfHeaderProtected,
    session: Transaction,
    vervanging_id: VervangingIdInPath,
) -> None:
    """Vanaf het antwoord kan de vervanger de post niet meer lezen."""
    at = identity_services(request).clock.now()
    await end_stand_in(session, describe_login(visitor), vervanging_id, at=at)
