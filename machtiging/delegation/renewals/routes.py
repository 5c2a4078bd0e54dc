"""/api/v1/verlengingsronden: an employee asks the clients whose machtiging ends soon, in a login session."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.secrets import generate_token
from machtiging.delegation.assignments.acting_employee import describe_login
from machtiging.delegation.assignments.routes import IdempotencyKey
from machtiging.delegation.assignments.rules import EmployeeLogin
from machtiging.delegation.renewals.asking import ask_renewals
from machtiging.delegation.renewals.results import load_round_results
from machtiging.delegation.renewals.schemas import VerlengingsrondeIn, VerlengingsrondeOut, describe_question
from machtiging.identity.csrf import CSRF_HEADER, CsrfHeaderProtected
from machtiging.identity.dependencies import identity_services
from machtiging.identity.session import Citizen
from machtiging.organisations.schemas import JSON
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.content_negotiation import require_acceptable, require_content_type
from machtiging.web.openapi import API_V1_PREFIX, declare_required_login, describe_request_body
from machtiging.web.validation import parse_body

_EMPLOYEES = declare_required_login("hulpverlener")
_READS = [Depends(require_acceptable(JSON))]
_PATH = "/verlengingsronden"
router = APIRouter(prefix=API_V1_PREFIX)


@router.post(
    _PATH,
    response_model=VerlengingsrondeOut,
    response_model_exclude_none=True,
    status_code=201,
    summary="Cliënten vragen om te verlengen",
    operation_id="maakVerlengingsronde",
    tags=["Verlengingsronden"],
    dependencies=[Depends(require_content_type(JSON)), *_READS],
    openapi_extra=_EMPLOYEES | describe_request_body(VerlengingsrondeIn, JSON),
)
async def post_verlengingsronde(
    request: Request,
    visitor: Citizen,
    _csrf: CsrfHeaderProtected,
    session: Transaction,
    idempotency_key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Elke cliënt wordt hooguit één keer in 30 dagen gevraagd. Met dezelfde `Idempotency-Key`: dezelfde ronde."""
    services, login = identity_services(request), describe_login(visitor)
    body, key = parse_body(VerlengingsrondeIn, await request.body()), idempotency_key or generate_token(128)
    round_id = await ask_renewals(
        session, services.keyring, login, key, at=services.clock.now(), only_ids=body.machtigingIds
    )
    return await _describe_round(request, session, login, round_id)


@router.get(
    _PATH + "/{rondeId}",
    response_model=VerlengingsrondeOut,
    response_model_exclude_none=True,
    summary="Het resultaat van een ronde",
    operation_id="leesVerlengingsronde",
    tags=["Verlengingsronden"],
    dependencies=_READS,
    openapi_extra=_EMPLOYEES,
)
async def get_verlengingsronde(
    request: Request,
    response: Response,
    visitor: Citizen,
    session: Transaction,
    ronde_id: Annotated[UUID, Path(alias="rondeId")],
) -> dict[str, Any]:
    """Alleen een ronde die u zelf maakte voor deze organisatie."""
    response.headers[CSRF_HEADER] = visitor.csrf_token
    return await _describe_round(request, session, describe_login(visitor), ronde_id)


async def _describe_round(
    request: Request, session: AsyncSession, login: EmployeeLogin, round_id: UUID
) -> dict[str, Any]:
    at = identity_services(request).clock.now()
    results = await load_round_results(session, login, round_id, at=at)
    return {
        "rondeId": round_id,
        "gevraagdOp": results[0].question.asked_at,
        "resultaten": [describe_question(one.question, one.client, at) for one in results],
    }
