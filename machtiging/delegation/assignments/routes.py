"""/api/v1/toewijzingen: a teamleider or organisatiebeheerder assigns, in a login session."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response

from machtiging.delegation.assignments.acting_employee import describe_login
from machtiging.delegation.assignments.creation import assign_machtigingen
from machtiging.delegation.assignments.proposals import find_proposed
from machtiging.delegation.assignments.queries import list_assignments, load_viewing_leader
from machtiging.delegation.assignments.schemas import (
    BeeindigingenIn,
    ToewijzingenIn,
    ToewijzingenOut,
    ToewijzingenPerPagina,
    ToewijzingResultatenOut,
    describe_assigned,
    describe_assignment,
    describe_ended,
    parse_request,
)
from machtiging.delegation.assignments.termination import end_assignments
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
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=255, description="Bij herhalen van een verzoek: dezelfde sleutel als eerst."),
]
router = APIRouter(prefix=API_V1_PREFIX)


@router.get(
    "/toewijzingen",
    response_model=ToewijzingenOut,
    response_model_exclude_none=True,
    summary="De toewijzingen van uw organisatie",
    operation_id="lijstToewijzingen",
    tags=["Toewijzingen"],
    dependencies=_READS,
    openapi_extra=_LEADERS,
)
async def get_toewijzingen(
    request: Request,
    response: Response,
    visitor: Citizen,
    session: Transaction,
    na: NaInQuery = None,
    aantal: ToewijzingenPerPagina = 50,
) -> dict[str, Any]:
    """Welke medewerker welke machtiging heeft. Geen brieven, en niets over de cliënt zelf."""
    services, at = identity_services(request), identity_services(request).clock.now()
    leader = await load_viewing_leader(session, describe_login(visitor), at=at)
    found = await list_assignments(session, services.keyring, leader.organisation.id, at=at, after=na, limit=aantal + 1)
    response.headers[CSRF_HEADER] = visitor.csrf_token
    url = f"{services.issuer}{API_V1_PREFIX}/toewijzingen?aantal={aantal}"
    last = found[aantal - 1].authority.machtiging_id if len(found) > aantal else None
    shown = [describe_assignment(one) for one in found[:aantal]]
    return {"toewijzingen": shown, "_links": describe_page(url, na, last)}


@router.post(
    "/toewijzingen",
    response_model=ToewijzingResultatenOut,
    response_model_exclude_none=True,
    summary="Machtigingen toewijzen aan medewerkers",
    operation_id="wijsToe",
    tags=["Toewijzingen"],
    dependencies=_WRITES,
    openapi_extra=_LEADERS | describe_request_body(ToewijzingenIn, JSON),
)
async def post_toewijzingen(
    request: Request,
    visitor: Citizen,
    _csrf: CsrfHeaderProtected,
    session: Transaction,
    idempotency_key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Hooguit 500 per keer. Elke machtiging krijgt een eigen resultaat: de ene weigering houdt de andere niet tegen.

    Naar een team mag het aantal cliënten keer het aantal teamleden hooguit 2.000 zijn; doe meer met `_taak`.
    Vraagt uw organisatie vier ogen, dan is het resultaat `voorgesteld`: er is nog geen toegang.
    Met dezelfde `Idempotency-Key` geeft hetzelfde verzoek dezelfde toewijzingen. Is er een van
    gestopt, dan weigeren wij die met `toewijzing_beeindigd`.
    """
    services, at = identity_services(request), identity_services(request).clock.now()
    items = parse_body(ToewijzingenIn, await request.body()).toewijzingen
    results = await assign_machtigingen(
        session,
        services.keyring,
        describe_login(visitor),
        [parse_request(one, idempotency_key) for one in items],
        at=at,
    )
    proposed = await find_proposed(session, [one for one in results if not isinstance(one, Refusal)])
    pairs = zip(items, results, strict=True)
    return {"resultaten": [describe_assigned(item.machtigingId, result, proposed) for item, result in pairs]}


@router.post(
    "/toewijzingen/_beeindigen",
    response_model=ToewijzingResultatenOut,
    response_model_exclude_none=True,
    summary="Toewijzingen beëindigen",
    operation_id="beeindigToewijzingen",
    tags=["Toewijzingen"],
    dependencies=_WRITES,
    openapi_extra=_LEADERS | describe_request_body(BeeindigingenIn, JSON),
)
async def end_toewijzingen(
    request: Request, visitor: Citizen, _csrf: CsrfHeaderProtected, session: Transaction
) -> dict[str, Any]:
    """Hooguit 500 per keer. Vanaf het antwoord kan de medewerker de post niet meer lezen. Het is definitief."""
    at, ids = identity_services(request).clock.now(), parse_body(BeeindigingenIn, await request.body()).toewijzingIds
    named = [MachtigingId(one) for one in ids]
    results = await end_assignments(session, describe_login(visitor), named, at=at)
    return {"resultaten": [describe_ended(one, result) for one, result in zip(ids, results, strict=True)]}
