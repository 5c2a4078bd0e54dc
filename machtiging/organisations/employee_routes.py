"""/api/v1/medewerkers: an organisatiebeheerder invites and changes employees, in a login session."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response

from machtiging.audit.acts import JournalAct
from machtiging.identity.csrf import CSRF_HEADER, CsrfHeaderProtected
from machtiging.identity.data_keys import ensure_data_key
from machtiging.identity.dependencies import identity_services
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import InvalidInput
from machtiging.organisations import employees, queries
from machtiging.organisations.rules import ActingEmployee, EmployeeState, parse_roles
from machtiging.organisations.schemas import (
    JSON,
    MERGE_PATCH,
    AantalInQuery,
    MedewerkerIn,
    MedewerkersOut,
    MedewerkerWijziging,
    NaInQuery,
    NieuweMedewerkerOut,
    describe_page,
    parse_invitation,
)
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.content_negotiation import require_acceptable, require_content_type
from machtiging.web.openapi import API_V1_PREFIX, declare_required_login, describe_request_body
from machtiging.web.validation import parse_body

_ADMINISTRATORS = declare_required_login("organisatiebeheerder")
_READS = [Depends(require_acceptable(JSON))]
router = APIRouter(prefix=API_V1_PREFIX)

MedewerkerIdInPath = Annotated[UUID, Path(alias="medewerkerId")]


@router.get(
    "/medewerkers",
    response_model=MedewerkersOut,
    response_model_exclude_none=True,
    summary="De medewerkers van uw organisatie",
    operation_id="lijstMedewerkers",
    tags=["Medewerkers"],
    dependencies=_READS,
    openapi_extra=_ADMINISTRATORS,
)
async def get_medewerkers(
    request: Request,
    response: Response,
    visitor: Citizen,
    session: Transaction,
    na: NaInQuery = None,
    aantal: AantalInQuery = 50,
) -> dict[str, Any]:
    """Wie er werkt, wie is uitgenodigd en wie op non-actief staat. Wie vertrok, staat er niet bij."""
    services, at = identity_services(request), identity_services(request).clock.now()
    actor = await _load_administrator(session, JournalAct.MEDEWERKER_LIJST, visitor, at)
    rows = await queries.load_present_employees(session, actor.organisation_id, at=at, after=na, limit=aantal + 1)
    key = await ensure_data_key(session, services.keyring, actor.organisation_id)
    response.headers[CSRF_HEADER] = visitor.csrf_token
    found = [
        {
            "medewerkerId": row.id,
            "naam": employees.decrypt_display_name(key, row),
            "rollen": row.roles,
            "status": row.state,
            "uitgenodigdOp": row.invited_at,
        }
        for row in rows[:aantal]
    ]
    url = f"{services.issuer}{API_V1_PREFIX}/medewerkers?aantal={aantal}"
    last = rows[aantal - 1].id if len(rows) > aantal else None
    return {"medewerkers": found, "_links": describe_page(url, na, last)}


@router.post(
    "/medewerkers",
    response_model=NieuweMedewerkerOut,
    status_code=201,
    summary="Een medewerker uitnodigen",
    operation_id="nodigMedewerkerUit",
    tags=["Medewerkers"],
    dependencies=[Depends(require_content_type(JSON)), *_READS],
    openapi_extra=_ADMINISTRATORS | describe_request_body(MedewerkerIn, JSON),
)
async def post_medewerker(
    request: Request, visitor: Citizen, _csrf: CsrfHeaderProtected, session: Transaction
) -> dict[str, Any]:
    """De medewerker wordt actief bij de eerste keer inloggen voor uw organisatie, binnen zeven dagen."""
    services, at = identity_services(request), identity_services(request).clock.now()
    actor = await _load_administrator(session, JournalAct.MEDEWERKER_UITGENODIGD, visitor, at)
    invitation = parse_invitation(await request.body(), services.broker.issuer)
    employee = await employees.invite_employee(
        session, services.keyring, actor, actor.organisation_id, invitation, at=at
    )
    return {"medewerkerId": employee}


@router.patch(
    "/medewerkers/{medewerkerId}",
    status_code=204,
    summary="Rollen of status van een medewerker wijzigen",
    operation_id="wijzigMedewerker",
    tags=["Medewerkers"],
    dependencies=[Depends(require_content_type(MERGE_PATCH, JSON))],
    openapi_extra=_ADMINISTRATORS | describe_request_body(MedewerkerWijziging, MERGE_PATCH),
)
async def patch_medewerker(
    request: Request,
    visitor: Citizen,
    _csrf: CsrfHeaderProtected,
    session: Transaction,
    medewerker_id: MedewerkerIdInPath,
) -> None:
    """Andere rollen, of op non-actief en terug. Eén van beide per keer."""
    services, at = identity_services(request), identity_services(request).clock.now()
    actor = await _load_administrator(session, JournalAct.MEDEWERKER_GEWIJZIGD, visitor, at)
    wijziging = parse_body(MedewerkerWijziging, await request.body())
    if (wijziging.rollen is None) == (wijziging.status is None):
        raise InvalidInput("een_wijziging_per_keer")
    ring = services.keyring
    if wijziging.rollen is not None:
        await employees.change_roles(session, ring, actor, medewerker_id, parse_roles(wijziging.rollen), at=at)
    elif wijziging.status is EmployeeState.SUSPENDED:
        await employees.suspend_employee(session, ring, actor, medewerker_id, at=at)
    elif wijziging.status is EmployeeState.ACTIVE:
        await employees.resume_employee(session, ring, actor, medewerker_id, at=at)
    else:
        raise InvalidInput("status_niet_te_kiezen")


async def _load_administrator(session: Transaction, act: JournalAct, visitor: Visitor, at: datetime) -> ActingEmployee:
    return await employees.load_administrator(
        session, act, visitor.person_id, visitor.organisation_kvk, visitor.assurance, at=at
    )
