"""/api/v1/machtigingsverzoeken and /bundels: an employee asks a new client, in a login session."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.secrets import generate_token
from machtiging.delegation.assignments.acting_employee import describe_login, load_requesting_employee
from machtiging.delegation.assignments.routes import IdempotencyKey
from machtiging.delegation.assignments.rules import EmployeeLogin
from machtiging.delegation.help_requests.bundles import limit_to_bundle, list_bundles_within
from machtiging.delegation.help_requests.creation import (
    create_organisation_request,
    withdraw_help_request,
)
from machtiging.delegation.help_requests.dependencies import DelegationServices, delegation_services
from machtiging.delegation.help_requests.queries import find_assigned_id, list_own_requests, load_own_request
from machtiging.delegation.help_requests.rules import HelpRequest
from machtiging.delegation.help_requests.schemas import (
    BundelsOut,
    VerzoekenOut,
    VerzoekenPerPagina,
    VerzoekIn,
    VerzoekOut,
    describe_bundel,
    describe_verzoek,
    parse_content,
)
from machtiging.identity.csrf import CSRF_HEADER, CsrfHeaderProtected
from machtiging.identity.session import Citizen
from machtiging.kernel.errors import NotFound
from machtiging.organisations.schemas import JSON, NaInQuery, describe_page
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.content_negotiation import require_acceptable, require_content_type
from machtiging.web.openapi import API_V1_PREFIX, declare_required_login, describe_request_body
from machtiging.web.validation import parse_body

_EMPLOYEES = declare_required_login("hulpverlener")
_READS = [Depends(require_acceptable(JSON))]
_WRITES = [Depends(require_content_type(JSON)), *_READS]
_PATH = "/machtigingsverzoeken"
VerzoekIdInPath = Annotated[UUID, Path(alias="verzoekId")]
router = APIRouter(prefix=API_V1_PREFIX)


@router.get(
    _PATH,
    response_model=VerzoekenOut,
    response_model_exclude_none=True,
    summary="Uw verzoeken aan nieuwe cliënten",
    operation_id="lijstMachtigingsverzoeken",
    tags=["Machtigingsverzoeken"],
    dependencies=_READS,
    openapi_extra=_EMPLOYEES,
)
async def get_machtigingsverzoeken(
    request: Request,
    response: Response,
    visitor: Citizen,
    session: Transaction,
    na: NaInQuery = None,
    aantal: VerzoekenPerPagina = 50,
) -> dict[str, Any]:
    """Alleen die u zelf maakte voor deze organisatie, de nieuwste eerst."""
    services, login = delegation_services(request), describe_login(visitor)
    at = services.clock.now()
    organisation_id = (await load_requesting_employee(session, login, at=at)).organisation.id
    after = None if na is None else await _load_own(session, services, login, organisation_id, na)
    found = await list_own_requests(
        session,
        services.keyring,
        login.person_id,
        organisation_id=organisation_id,
        after=None if after is None else (after.created_at, after.id),
        limit=aantal + 1,
    )
    response.headers[CSRF_HEADER] = visitor.csrf_token
    shown = [describe_verzoek(one, await find_assigned_id(session, one, at=at), at) for one in found[:aantal]]
    url = f"{services.issuer}{API_V1_PREFIX}{_PATH}?aantal={aantal}"
    last = found[aantal - 1].id if len(found) > aantal else None
    return {"machtigingsverzoeken": shown, "_links": describe_page(url, na, last)}


@router.get(
    "/bundels",
    response_model=BundelsOut,
    summary="Bundels die u kunt vragen",
    operation_id="lijstBundels",
    tags=["Machtigingsverzoeken"],
    dependencies=_READS,
    openapi_extra=_EMPLOYEES,
)
async def get_bundels(request: Request, visitor: Citizen, session: Transaction) -> dict[str, Any]:
    """Van elke bundel de nieuwste versie, als die binnen het plafond van uw organisatie past."""
    at = delegation_services(request).clock.now()
    acting = await load_requesting_employee(session, describe_login(visitor), at=at)
    found = await list_bundles_within(session, acting.organisation.ceiling)
    return {"bundels": [describe_bundel(one) for one in found]}


@router.post(
    _PATH,
    response_model=VerzoekOut,
    response_model_exclude_none=True,
    status_code=201,
    summary="Een nieuwe cliënt vragen",
    operation_id="maakMachtigingsverzoek",
    tags=["Machtigingsverzoeken"],
    dependencies=_WRITES,
    openapi_extra=_EMPLOYEES | describe_request_body(VerzoekIn, JSON),
)
async def post_machtigingsverzoek(
    request: Request,
    visitor: Citizen,
    _csrf: CsrfHeaderProtected,
    session: Transaction,
    idempotency_key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Geef de code aan uw cliënt. Zegt die ja, dan heeft u de machtiging meteen.

    Vraagt uw organisatie vier ogen, dan pas als een tweede persoon bevestigt.

    Met dezelfde `Idempotency-Key` krijgt u hetzelfde verzoek.
    """
    services, login = delegation_services(request), describe_login(visitor)
    at = services.clock.now()
    verzoek, key = parse_body(VerzoekIn, await request.body()), idempotency_key or generate_token(128)
    content = parse_content(verzoek)
    if verzoek.bundel is not None:
        content = await limit_to_bundle(session, content, verzoek.bundel.code, verzoek.bundel.versie)
    made_id = await create_organisation_request(
        session, services.keyring, services.delegation_limits, login, content, key, at=at
    )
    return await _describe_own(session, services, login, made_id)


@router.post(
    _PATH + "/{verzoekId}/_intrekken",
    response_model=VerzoekOut,
    response_model_exclude_none=True,
    summary="Een verzoek intrekken",
    operation_id="trekMachtigingsverzoekIn",
    tags=["Machtigingsverzoeken"],
    dependencies=_READS,
    openapi_extra=_EMPLOYEES,
)
async def withdraw_machtigingsverzoek(
    request: Request, visitor: Citizen, _csrf: CsrfHeaderProtected, session: Transaction, verzoek_id: VerzoekIdInPath
) -> dict[str, Any]:
    """De code werkt daarna niet meer. Herhalen verandert niets."""
    services, login = delegation_services(request), describe_login(visitor)
    at = services.clock.now()
    organisation_id = (await load_requesting_employee(session, login, at=at)).organisation.id
    await withdraw_help_request(
        session, services.keyring, verzoek_id, login.person_id, at=at, organisation_id=organisation_id
    )
    return await _describe_own(session, services, login, verzoek_id)


async def _describe_own(
    session: AsyncSession, services: DelegationServices, login: EmployeeLogin, request_id: UUID
) -> dict[str, Any]:
    at = services.clock.now()
    organisation_id = (await load_requesting_employee(session, login, at=at)).organisation.id
    found = await _load_own(session, services, login, organisation_id, request_id)
    return describe_verzoek(found, await find_assigned_id(session, found, at=at), at)


async def _load_own(
    session: AsyncSession, services: DelegationServices, login: EmployeeLogin, organisation_id: UUID, request_id: UUID
) -> HelpRequest:
    """Load a request of this login. Raises NotFound `hulpvraag_onbekend`."""
    found = await load_own_request(
        session, services.keyring, request_id, login.person_id, organisation_id=organisation_id
    )
    if found is None:
        raise NotFound("hulpvraag_onbekend")
    return found
