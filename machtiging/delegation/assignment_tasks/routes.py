"""/api/v1/toewijzingen/_taak and /api/v1/taken: many assignments in one request, in a login session."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from machtiging.delegation.assignment_tasks.cancellation import cancel_task
from machtiging.delegation.assignment_tasks.creation import request_assignments
from machtiging.delegation.assignment_tasks.schemas import (
    MAX_REQUEST_BYTES,
    TASK_REQUEST_PATH,
    TaakOut,
    TaakResultatenOut,
    ToewijzingstaakIn,
    describe_item,
    describe_task,
)
from machtiging.delegation.assignment_tasks.viewing import load_visible_task
from machtiging.delegation.assignments.acting_employee import describe_login
from machtiging.delegation.assignments.proposals import find_proposed
from machtiging.delegation.assignments.queries import load_viewing_leader
from machtiging.delegation.assignments.routes import IdempotencyKey
from machtiging.delegation.assignments.schemas import parse_request
from machtiging.identity.csrf import CSRF_HEADER, CsrfHeaderProtected
from machtiging.identity.dependencies import identity_services
from machtiging.identity.session import Citizen, require_active_session
from machtiging.organisations.schemas import JSON
from machtiging.storage.unit_of_work import Transaction
from machtiging.tasks.queries import MAX_PAGE_SIZE, TaskView, list_items
from machtiging.tasks.rules import MAX_ITEMS_PER_TASK
from machtiging.web.content_negotiation import require_acceptable, require_content_type
from machtiging.web.openapi import API_V1_PREFIX, declare_required_login, describe_request_body
from machtiging.web.validation import parse_body

_LEADERS = declare_required_login("teamleider of organisatiebeheerder")
_READS = [Depends(require_acceptable(JSON))]
_WRITES = [Depends(require_content_type(JSON)), *_READS]
# For `web.body_limits`: streamed, and read only for who is logged in.
TASK_BODY_LIMITS = {TASK_REQUEST_PATH: MAX_REQUEST_BYTES}
router = APIRouter(prefix=API_V1_PREFIX)
TaakIdInPath = Annotated[UUID, Path(alias="taakId")]
NaNummerInQuery = Annotated[
    int | None, Query(ge=0, lt=MAX_ITEMS_PER_TASK, description="Het nummer waarna u verder leest.")
]
PerPaginaInQuery = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Hoeveel er per keer komen.")]


@router.post(
    TASK_REQUEST_PATH.removeprefix(API_V1_PREFIX),
    response_model=TaakOut,
    response_model_exclude_none=True,
    status_code=202,
    summary="Veel machtigingen toewijzen in een taak",
    operation_id="wijsToeInTaak",
    tags=["Taken"],
    dependencies=_WRITES,
    openapi_extra=_LEADERS | describe_request_body(ToewijzingstaakIn, JSON),
)
async def post_toewijzingstaak(
    request: Request,
    response: Response,
    visitor: Citizen,
    _csrf: CsrfHeaderProtected,
    session: Transaction,
    idempotency_key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Hooguit 10.000 per keer. Er is nog niets toegewezen: `Location` wijst naar de taak.

    Elke machtiging krijgt een eigen resultaat. Wij kijken bij elke toewijzing opnieuw of u die mag doen.
    Met dezelfde `Idempotency-Key` geeft hetzelfde verzoek dezelfde taak. Een ander verzoek weigeren wij dan met
    `sleutel_ander_verzoek`. Wat na 24 uur nog wacht, doen wij niet meer.
    """
    services, at = identity_services(request), identity_services(request).clock.now()
    # A stranger fills no memory, and a slow sender holds no connection.
    await session.commit()
    items = parse_body(ToewijzingstaakIn, await request.body()).toewijzingen
    await require_active_session(session, visitor)  # it may have ended meanwhile
    requests, login = [parse_request(one) for one in items], describe_login(visitor)
    task_id = await request_assignments(
        session, services.keyring, login, requests, idempotency_key=idempotency_key, at=at
    )
    task = await _load_task(request, session, visitor, task_id)
    response.headers["Location"] = f"{services.issuer}{API_V1_PREFIX}/taken/{task_id}"
    return describe_task(task)


@router.get(
    "/taken/{taakId}",
    response_model=TaakOut,
    response_model_exclude_none=True,
    summary="Hoe ver een taak is",
    operation_id="leesTaak",
    tags=["Taken"],
    dependencies=_READS,
    openapi_extra=_LEADERS,
)
async def get_taak(
    request: Request, response: Response, visitor: Citizen, session: Transaction, taak_id: TaakIdInPath
) -> dict[str, Any]:
    """Voor wie de taak vroeg, en voor een organisatiebeheerder. Tot 30 dagen na het verzoek."""
    task = await _load_task(request, session, visitor, taak_id)
    response.headers[CSRF_HEADER] = visitor.csrf_token
    return describe_task(task)


@router.delete(
    "/taken/{taakId}",
    status_code=204,
    summary="Een taak stoppen",
    operation_id="stopTaak",
    tags=["Taken"],
    dependencies=_READS,
    openapi_extra=_LEADERS,
)
async def delete_taak(
    request: Request, visitor: Citizen, _csrf: CsrfHeaderProtected, session: Transaction, taak_id: TaakIdInPath
) -> None:
    """Wat nog wacht, doen wij niet meer. Wat is gedaan, blijft.

    Voor wie de taak vroeg, en voor een organisatiebeheerder. De taak en de resultaten blijven leesbaar.
    Nog een keer stoppen verandert niets.
    """
    await cancel_task(session, describe_login(visitor), taak_id, at=identity_services(request).clock.now())


@router.get(
    "/taken/{taakId}/resultaten",
    response_model=TaakResultatenOut,
    response_model_exclude_none=True,
    summary="De resultaten van een taak",
    operation_id="lijstTaakResultaten",
    tags=["Taken"],
    dependencies=_READS,
    openapi_extra=_LEADERS,
)
async def get_taak_resultaten(
    request: Request,
    response: Response,
    visitor: Citizen,
    session: Transaction,
    taak_id: TaakIdInPath,
    na: NaNummerInQuery = None,
    aantal: PerPaginaInQuery = 50,
) -> dict[str, Any]:
    """Per machtiging wat ermee is gedaan, in de volgorde van uw verzoek. Niets over de cliënt zelf."""
    services, at = identity_services(request), identity_services(request).clock.now()
    task = await _load_task(request, session, visitor, taak_id)
    found = await list_items(session, task.id, at=at, after=na, limit=aantal + 1)
    proposed = await find_proposed(session, [one.result_id for one in found[:aantal] if one.result_id is not None])
    response.headers[CSRF_HEADER] = visitor.csrf_token
    url = f"{services.issuer}{API_V1_PREFIX}/taken/{task.id}/resultaten?aantal={aantal}"
    links = {"self": {"href": url if na is None else f"{url}&na={na}"}}
    if len(found) > aantal:
        links["next"] = {"href": f"{url}&na={found[aantal - 1].number}"}
    return {"resultaten": [describe_item(one, proposed) for one in found[:aantal]], "_links": links}


async def _load_task(request: Request, session: Transaction, visitor: Citizen, task_id: UUID) -> TaskView:
    at = identity_services(request).clock.now()
    leader = await load_viewing_leader(session, describe_login(visitor), at=at)
    return await load_visible_task(session, leader, task_id, at=at)
