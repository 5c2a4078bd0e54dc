"""/api/v1/organisaties: operators recognise and limit organisations, in a login session."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from machtiging.identity.csrf import CSRF_HEADER, CsrfHeaderProtected
from machtiging.identity.dependencies import identity_services
from machtiging.identity.session import Operator, Visitor
from machtiging.organisations import employees, queries, recognition
from machtiging.organisations.rules import (
    ActingOperator,
    Ceiling,
    RecognitionProposal,
    RecognitionStatus,
)
from machtiging.organisations.schemas import (
    JSON,
    AantalInQuery,
    BesluitOut,
    ErkenningIn,
    MedewerkerIn,
    NaInQuery,
    NieuweMedewerkerOut,
    NieuwVoorstelOut,
    OrganisatieOut,
    OrganisatiesOut,
    PlafondIn,
    describe_page,
    parse_invitation,
)
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.content_negotiation import require_acceptable, require_content_type
from machtiging.web.openapi import API_V1_PREFIX, declare_required_login, describe_request_body
from machtiging.web.validation import parse_body

_OPERATORS = declare_required_login("beheerder")
_READS = [Depends(require_acceptable(JSON))]
_WRITES = [Depends(require_content_type(JSON)), *_READS]
router = APIRouter(prefix=API_V1_PREFIX)
OrganisatieIdInPath = Annotated[UUID, Path(alias="organisatieId")]
NummerInPath = Annotated[int, Path(alias="nummer", ge=1, le=1_000_000)]


def _act_as_operator(visitor: Visitor) -> ActingOperator:
    return ActingOperator(visitor.person_id)


@router.get(
    "/organisaties",
    response_model=OrganisatiesOut,
    response_model_exclude_none=True,
    summary="De lijst van organisaties",
    operation_id="lijstOrganisaties",
    tags=["Organisaties"],
    dependencies=_READS,
    openapi_extra=_OPERATORS,
)
async def get_organisaties(
    request: Request,
    response: Response,
    visitor: Operator,
    session: Transaction,
    erkenning: Annotated[RecognitionStatus | None, Query(description="Alleen met deze status.")] = None,
    na: NaInQuery = None,
    aantal: AantalInQuery = 50,
) -> dict[str, Any]:
    """Alle organisaties, met hun erkenning en het voorstel dat loopt."""
    services = identity_services(request)
    found = await queries.list_organisations(
        session, at=services.clock.now(), status=erkenning, after=na, limit=aantal + 1
    )
    response.headers[CSRF_HEADER] = visitor.csrf_token
    url = f"{services.issuer}{API_V1_PREFIX}/organisaties?aantal={aantal}"
    url += "" if erkenning is None else f"&erkenning={erkenning.value}"
    last = found[aantal - 1].id if len(found) > aantal else None
    return {
        "organisaties": [_describe_organisation(one) for one in found[:aantal]],
        "_links": describe_page(url, na, last),
    }


@router.get(
    "/organisaties/{organisatieId}",
    response_model=OrganisatieOut,
    response_model_exclude_none=True,
    summary="Een organisatie",
    operation_id="leesOrganisatie",
    tags=["Organisaties"],
    dependencies=_READS,
    openapi_extra=_OPERATORS,
)
async def get_organisatie(
    request: Request,
    response: Response,
    visitor: Operator,
    session: Transaction,
    organisatie_id: OrganisatieIdInPath,
) -> dict[str, Any]:
    """De nummers, het plafond, de erkenning en het voorstel dat loopt."""
    response.headers[CSRF_HEADER] = visitor.csrf_token
    at = identity_services(request).clock.now()
    return _describe_organisation(await queries.load_organisation_view(session, organisatie_id, at=at))


@router.put(
    "/organisaties/{organisatieId}/plafond",
    response_model=OrganisatieOut,
    response_model_exclude_none=True,
    summary="Het plafond verlagen",
    operation_id="verlaagPlafond",
    tags=["Organisaties"],
    dependencies=_WRITES,
    openapi_extra=_OPERATORS | describe_request_body(PlafondIn, JSON),
)
async def put_plafond(
    request: Request,
    visitor: Operator,
    _csrf: CsrfHeaderProtected,
    session: Transaction,
    organisatie_id: OrganisatieIdInPath,
) -> dict[str, Any]:
    """Verlagen kan één beheerder: minder thema's of afzenders, korter, minder gevoelig, zekerder inloggen."""
    at, plafond = identity_services(request).clock.now(), parse_body(PlafondIn, await request.body())
    ceiling = Ceiling(
        None if plafond.themas is None else frozenset(plafond.themas),
        None if plafond.afzenders is None else frozenset(plafond.afzenders),
        plafond.hoogsteGevoeligheid,
        plafond.langsteDuurDagen,
        plafond.laagsteNiveau,
    )
    await recognition.narrow_ceiling(session, _act_as_operator(visitor), organisatie_id, ceiling, at=at)
    return _describe_organisation(await queries.load_organisation_view(session, organisatie_id, at=at))


@router.post(
    "/organisaties/{organisatieId}/erkenningen",
    response_model=NieuwVoorstelOut,
    status_code=201,
    summary="Een erkenning voorstellen",
    operation_id="stelErkenningVoor",
    tags=["Organisaties"],
    dependencies=_WRITES,
    openapi_extra=_OPERATORS | describe_request_body(ErkenningIn, JSON),
)
async def post_erkenning(
    request: Request,
    visitor: Operator,
    _csrf: CsrfHeaderProtected,
    session: Transaction,
    organisatie_id: OrganisatieIdInPath,
) -> dict[str, Any]:
    """Erkennen, weigeren, opschorten of intrekken. Het telt pas als een andere beheerder het bevestigt."""
    at, voorstel = identity_services(request).clock.now(), parse_body(ErkenningIn, await request.body())
    proposal = RecognitionProposal(voorstel.status, voorstel.grond, voorstel.besluitkenmerk)
    operator = _act_as_operator(visitor)
    return {"nummer": await recognition.propose_recognition(session, operator, organisatie_id, proposal, at=at)}


@router.post(
    "/organisaties/{organisatieId}/erkenningen/{nummer}/_bevestigen",
    response_model=BesluitOut,
    summary="Een voorstel bevestigen",
    operation_id="bevestigErkenning",
    tags=["Organisaties"],
    dependencies=_READS,
    openapi_extra=_OPERATORS,
)
async def confirm_erkenning(
    request: Request,
    visitor: Operator,
    _csrf: CsrfHeaderProtected,
    session: Transaction,
    organisatie_id: OrganisatieIdInPath,
    nummer: NummerInPath,
) -> dict[str, Any]:
    """Alleen een andere persoon dan wie het voorstelde. Twee accounts van één mens zijn één persoon."""
    services, operator = identity_services(request), _act_as_operator(visitor)
    status = await recognition.confirm_recognition(
        session,
        services.keyring,
        operator,
        organisatie_id,
        nummer,
        practice=services.practice,
        at=services.clock.now(),
    )
    return {"erkenning": status}


@router.delete(
    "/organisaties/{organisatieId}/erkenningen/{nummer}",
    status_code=204,
    summary="Een voorstel laten vervallen",
    operation_id="laatVoorstelVervallen",
    tags=["Organisaties"],
    openapi_extra=_OPERATORS,
)
async def delete_erkenning(
    request: Request,
    visitor: Operator,
    _csrf: CsrfHeaderProtected,
    session: Transaction,
    organisatie_id: OrganisatieIdInPath,
    nummer: NummerInPath,
) -> None:
    """Alleen een voorstel dat nog niet bevestigd is."""
    at = identity_services(request).clock.now()
    await recognition.drop_proposal(session, _act_as_operator(visitor), organisatie_id, nummer, at=at)


@router.post(
    "/organisaties/{organisatieId}/medewerkers",
    response_model=NieuweMedewerkerOut,
    status_code=201,
    summary="De eerste organisatiebeheerder uitnodigen",
    operation_id="nodigBeheerderUit",
    tags=["Organisaties"],
    dependencies=_WRITES,
    openapi_extra=_OPERATORS | describe_request_body(MedewerkerIn, JSON),
)
async def post_eerste_beheerder(
    request: Request,
    visitor: Operator,
    _csrf: CsrfHeaderProtected,
    session: Transaction,
    organisatie_id: OrganisatieIdInPath,
) -> dict[str, Any]:
    """De eerste organisatiebeheerder krijgt geen andere rol, en nodigt zelf de anderen uit."""
    services = identity_services(request)
    invitation = parse_invitation(await request.body(), services.broker.issuer)
    operator = _act_as_operator(visitor)
    employee = await employees.invite_employee(
        session, services.keyring, operator, organisatie_id, invitation, at=services.clock.now()
    )
    return {"medewerkerId": employee}


def _describe_organisation(view: queries.OrganisationView) -> dict[str, Any]:
    ceiling, proposal = view.ceiling, view.proposal
    return {
        "organisatieId": view.id,
        "naam": view.name,
        "soort": view.kind,
        "kvkNummer": view.kvk,
        "vestigingsnummer": view.vestiging,
        "rsin": view.rsin,
        "oin": view.oin,
        "plafond": {
            "themas": None if ceiling.themes is None else sorted(ceiling.themes),
            "afzenders": None if ceiling.afzenders is None else sorted(ceiling.afzenders),
            "hoogsteGevoeligheid": ceiling.sensitivity,
            "langsteDuurDagen": ceiling.days,
            "laagsteNiveau": ceiling.minimum_level,
        },
        "erkenning": view.status,
        "voorstel": None
        if proposal is None
        else {
            "nummer": proposal.number,
            "status": proposal.status,
            "grond": proposal.ground,
            "besluitkenmerk": proposal.decision_reference,
            "voorgesteldOp": proposal.proposed_at,
        },
        "verzegeld": view.authentic,
    }
