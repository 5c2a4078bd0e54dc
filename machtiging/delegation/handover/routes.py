"""Departure of an employee, and /api/v1/overdrachten: who takes over the clients, in a login session."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from machtiging.audit.acts import JournalAct
from machtiging.delegation.assignments.acting_employee import describe_login
from machtiging.delegation.assignments.creation import assign_machtigingen
from machtiging.delegation.assignments.proposals import find_proposed
from machtiging.delegation.assignments.queries import load_viewing_leader
from machtiging.delegation.assignments.routes import IdempotencyKey
from machtiging.delegation.assignments.rules import ActingLeader
from machtiging.delegation.assignments.schemas import ToewijzingResultatenOut, describe_assigned
from machtiging.delegation.handover.departure import record_departure
from machtiging.delegation.handover.queries import MAX_PAGE_SIZE, list_handovers, list_items, require_handover
from machtiging.delegation.handover.schemas import (
    OverdrachtenOut,
    OverdrachtRegelsOut,
    VerdelingIn,
    VertrekOut,
    describe_departure,
    describe_handover,
    describe_item,
    parse_request,
)
from machtiging.identity.csrf import CSRF_HEADER, CsrfHeaderProtected
from machtiging.identity.dependencies import identity_services
from machtiging.identity.session import Citizen, Operator, Visitor
from machtiging.kernel.errors import Refusal
from machtiging.organisations.employees import load_administrator
from machtiging.organisations.rules import ActingOperator
from machtiging.organisations.schemas import JSON, NaInQuery, describe_page
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.content_negotiation import require_acceptable, require_content_type
from machtiging.web.openapi import API_V1_PREFIX, declare_required_login, describe_request_body
from machtiging.web.validation import parse_body

_LEADERS = declare_required_login("teamleider of organisatiebeheerder")
_READS = [Depends(require_acceptable(JSON))]
_WRITES = [Depends(require_content_type(JSON)), *_READS]
router = APIRouter(prefix=API_V1_PREFIX)
MedewerkerIdInPath = Annotated[UUID, Path(alias="medewerkerId")]
OrganisatieIdInPath = Annotated[UUID, Path(alias="organisatieId")]
OverdrachtIdInPath = Annotated[UUID, Path(alias="overdrachtId")]
PerPaginaInQuery = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Hoeveel er per keer komen.")]


@router.post(
    "/medewerkers/{medewerkerId}/_vertrek",
    response_model=VertrekOut,
    response_model_exclude_none=True,
    summary="Een medewerker vertrekt",
    operation_id="laatMedewerkerVertrekken",
    tags=["Medewerkers"],
    dependencies=_READS,
    openapi_extra=declare_required_login("organisatiebeheerder"),
)
async def end_employment(
    request: Request,
    visitor: Citizen,
    _csrf: CsrfHeaderProtected,
    session: Transaction,
    medewerker_id: MedewerkerIdInPath,
) -> dict[str, Any]:
    """Vanaf het antwoord kan de medewerker nergens meer bij. Het is definitief.

    Alle toewijzingen aan de medewerker stoppen. Cliënten zonder lezer komen in een overdracht.
    """
    services, at = identity_services(request), identity_services(request).clock.now()
    login = describe_login(visitor)
    act = JournalAct.MEDEWERKER_VERTROKKEN
    actor = await load_administrator(session, act, login.person_id, login.kvk, login.assurance, at=at)
    return describe_departure(await record_departure(session, services.keyring, actor, medewerker_id, at=at))


@router.post(
    "/organisaties/{organisatieId}/medewerkers/{medewerkerId}/_vertrek",
    response_model=VertrekOut,
    response_model_exclude_none=True,
    summary="Het vertrek van een medewerker vastleggen",
    operation_id="legVertrekVast",
    tags=["Organisaties"],
    dependencies=_READS,
    openapi_extra=declare_required_login("beheerder"),
)
async def end_employment_as_operator(
    request: Request,
    visitor: Operator,
    _csrf: CsrfHeaderProtected,
    session: Transaction,
    organisatie_id: OrganisatieIdInPath,
    medewerker_id: MedewerkerIdInPath,
) -> dict[str, Any]:
    """Ook de laatste organisatiebeheerder kan zo vertrekken. Het is definitief."""
    services, operator = identity_services(request), ActingOperator(visitor.person_id)
    departure = await record_departure(
        session,
        services.keyring,
        operator,
        medewerker_id,
        at=services.clock.now(),
        organisation_id=organisatie_id,
    )
    return describe_departure(departure)


@router.get(
    "/overdrachten",
    response_model=OverdrachtenOut,
    response_model_exclude_none=True,
    summary="De overdrachten van uw organisatie",
    operation_id="lijstOverdrachten",
    tags=["Overdrachten"],
    dependencies=_READS,
    openapi_extra=_LEADERS,
)
async def get_overdrachten(
    request: Request,
    response: Response,
    visitor: Citizen,
    session: Transaction,
    na: NaInQuery = None,
    aantal: PerPaginaInQuery = 50,
) -> dict[str, Any]:
    """Wie vertrok, en hoeveel cliënten nog geen lezer hebben. De nieuwste eerst."""
    services, at = identity_services(request), identity_services(request).clock.now()
    leader = await _load_leader(request, session, visitor)
    found = await list_handovers(session, leader.organisation.id, at=at, after=na, limit=aantal + 1)
    response.headers[CSRF_HEADER] = visitor.csrf_token
    url = f"{services.issuer}{API_V1_PREFIX}/overdrachten?aantal={aantal}"
    last = found[aantal - 1].id if len(found) > aantal else None
    return {"overdrachten": list(map(describe_handover, found[:aantal])), "_links": describe_page(url, na, last)}


@router.get(
    "/overdrachten/{overdrachtId}",
    response_model=OverdrachtRegelsOut,
    response_model_exclude_none=True,
    summary="De cliënten in een overdracht",
    operation_id="lijstOverdrachtRegels",
    tags=["Overdrachten"],
    dependencies=_READS,
    openapi_extra=_LEADERS,
)
async def get_overdracht(
    request: Request,
    response: Response,
    visitor: Citizen,
    session: Transaction,
    overdracht_id: OverdrachtIdInPath,
    na: NaInQuery = None,
    aantal: PerPaginaInQuery = 50,
) -> dict[str, Any]:
    """Per cliënt: of er weer een lezer is, en tot wanneer dat kan wachten. Niets over de cliënt zelf."""
    services, at = identity_services(request), identity_services(request).clock.now()
    leader = await _load_leader(request, session, visitor)
    await require_handover(session, leader.organisation.id, overdracht_id)
    found = await list_items(session, overdracht_id, at=at, after=na, limit=aantal + 1)
    response.headers[CSRF_HEADER] = visitor.csrf_token
    url = f"{services.issuer}{API_V1_PREFIX}/overdrachten/{overdracht_id}?aantal={aantal}"
    last = found[aantal - 1].machtiging_id if len(found) > aantal else None
    return {"regels": list(map(describe_item, found[:aantal])), "_links": describe_page(url, na, last)}


@router.post(
    "/overdrachten/{overdrachtId}/_verdelen",
    response_model=ToewijzingResultatenOut,
    response_model_exclude_none=True,
    summary="Cliënten uit een overdracht verdelen",
    operation_id="verdeelOverdracht",
    tags=["Overdrachten"],
    dependencies=_WRITES,
    openapi_extra=_LEADERS | describe_request_body(VerdelingIn, JSON),
)
async def distribute_overdracht(
    request: Request,
    visitor: Citizen,
    _csrf: CsrfHeaderProtected,
    session: Transaction,
    overdracht_id: OverdrachtIdInPath,
    idempotency_key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Hooguit 500 per keer. Elke cliënt krijgt een eigen resultaat: de ene weigering houdt de andere niet tegen.

    Met dezelfde `Idempotency-Key` geeft hetzelfde verzoek dezelfde toewijzingen.
    """
    services, at = identity_services(request), identity_services(request).clock.now()
    items = parse_body(VerdelingIn, await request.body()).regels
    leader = await _load_leader(request, session, visitor)
    await require_handover(session, leader.organisation.id, overdracht_id)
    requests = [parse_request(one, overdracht_id, idempotency_key) for one in items]
    results = await assign_machtigingen(session, services.keyring, describe_login(visitor), requests, at=at)
    proposed = await find_proposed(session, [one for one in results if not isinstance(one, Refusal)])
    pairs = zip(items, results, strict=True)
    return {"resultaten": [describe_assigned(item.machtigingId, result, proposed) for item, result in pairs]}


async def _load_leader(request: Request, session: Transaction, visitor: Visitor) -> ActingLeader:
    at = identity_services(request).clock.now()
    return await load_viewing_leader(session, describe_login(visitor), at=at, act=JournalAct.OVERDRACHT_LIJST)
