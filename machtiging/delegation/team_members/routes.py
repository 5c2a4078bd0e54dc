"""/api/v1/teams: an organisatiebeheerder changes the teams of the organisation, in a login session."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response

from machtiging.audit.acts import JournalAct
from machtiging.delegation.team_members.membership import join_team, leave_team, stop_team
from machtiging.identity.csrf import CSRF_HEADER, CsrfHeaderProtected
from machtiging.identity.dependencies import identity_services
from machtiging.identity.session import Citizen, Visitor
from machtiging.organisations import employees
from machtiging.organisations.rules import ActingEmployee
from machtiging.organisations.schemas import JSON, MERGE_PATCH, AantalInQuery, NaInQuery, describe_page
from machtiging.organisations.teams import administration, queries
from machtiging.organisations.teams.schemas import NieuwTeamOut, TeamIn, TeamsOut
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.content_negotiation import require_acceptable, require_content_type
from machtiging.web.openapi import API_V1_PREFIX, declare_required_login, describe_request_body
from machtiging.web.validation import parse_body

_ADMINISTRATORS = declare_required_login("organisatiebeheerder")
_READS = [Depends(require_acceptable(JSON))]
router = APIRouter(prefix=API_V1_PREFIX, tags=["Teams"])
TeamIdInPath = Annotated[UUID, Path(alias="teamId")]
MedewerkerIdInPath = Annotated[UUID, Path(alias="medewerkerId")]


@router.get(
    "/teams",
    response_model=TeamsOut,
    summary="De teams van uw organisatie",
    operation_id="lijstTeams",
    response_model_exclude_none=True,
    dependencies=_READS,
    openapi_extra=_ADMINISTRATORS,
)
async def get_teams(
    request: Request,
    response: Response,
    visitor: Citizen,
    session: Transaction,
    na: NaInQuery = None,
    aantal: AantalInQuery = 50,
) -> dict[str, Any]:
    """Elk team met wie erin zit. Een team dat is gestopt, staat er niet bij."""
    services, at = identity_services(request), identity_services(request).clock.now()
    actor = await _load_administrator(session, JournalAct.TEAM_LIJST, visitor, at)
    teams = await queries.list_teams(session, actor.organisation_id, at=at, after=na, limit=aantal + 1)
    response.headers[CSRF_HEADER] = visitor.csrf_token
    found = [{"teamId": one.id, "naam": one.name, "leden": sorted(one.member_ids)} for one in teams[:aantal]]
    last = teams[aantal - 1].id if len(teams) > aantal else None
    url = f"{services.issuer}{API_V1_PREFIX}/teams?aantal={aantal}"
    return {"teams": found, "_links": describe_page(url, na, last)}


@router.post(
    "/teams",
    response_model=NieuwTeamOut,
    status_code=201,
    summary="Een team maken",
    operation_id="maakTeam",
    dependencies=[Depends(require_content_type(JSON)), *_READS],
    openapi_extra=_ADMINISTRATORS | describe_request_body(TeamIn, JSON),
)
async def post_team(
    request: Request, visitor: Citizen, _csrf: CsrfHeaderProtected, session: Transaction
) -> dict[str, Any]:
    """Een team zonder leden."""
    at = identity_services(request).clock.now()
    actor = await _load_administrator(session, JournalAct.TEAM_GEMAAKT, visitor, at)
    team = parse_body(TeamIn, await request.body())
    return {"teamId": await administration.create_team(session, actor, team.naam, at=at)}


@router.patch(
    "/teams/{teamId}",
    status_code=204,
    summary="Een team een andere naam geven",
    operation_id="wijzigTeam",
    dependencies=[Depends(require_content_type(MERGE_PATCH, JSON))],
    openapi_extra=_ADMINISTRATORS | describe_request_body(TeamIn, MERGE_PATCH),
)
async def patch_team(
    request: Request, visitor: Citizen, _csrf: CsrfHeaderProtected, session: Transaction, team_id: TeamIdInPath
) -> None:
    """Wie het team weigerde, ziet de nieuwe naam."""
    at = identity_services(request).clock.now()
    actor = await _load_administrator(session, JournalAct.TEAM_GEWIJZIGD, visitor, at)
    team = parse_body(TeamIn, await request.body())
    await administration.rename_team(session, actor, team_id, team.naam, at=at)


@router.delete(
    "/teams/{teamId}",
    status_code=204,
    summary="Een team stoppen",
    operation_id="stopTeam",
    openapi_extra=_ADMINISTRATORS,
)
async def delete_team(
    request: Request, visitor: Citizen, _csrf: CsrfHeaderProtected, session: Transaction, team_id: TeamIdInPath
) -> None:
    """Het team stopt voorgoed, met wat eraan is toegewezen. Niemand zit er nog in."""
    at = identity_services(request).clock.now()
    actor = await _load_administrator(session, JournalAct.TEAM_BEEINDIGD, visitor, at)
    await stop_team(session, actor, team_id, at=at)


@router.put(
    "/teams/{teamId}/leden/{medewerkerId}",
    status_code=204,
    summary="Een medewerker in een team zetten",
    operation_id="voegTeamlidToe",
    openapi_extra=_ADMINISTRATORS,
)
async def put_member(
    request: Request,
    visitor: Citizen,
    _csrf: CsrfHeaderProtected,
    session: Transaction,
    team_id: TeamIdInPath,
    medewerker_id: MedewerkerIdInPath,
) -> None:
    """Alleen een medewerker die actief is. Wie erin zit, leest wat aan het team is toegewezen."""
    services, at = identity_services(request), identity_services(request).clock.now()
    actor = await _load_administrator(session, JournalAct.TEAM_LID_TOEGEVOEGD, visitor, at)
    await join_team(session, services.keyring, actor, team_id, medewerker_id, visitor.assurance, at=at)


@router.delete(
    "/teams/{teamId}/leden/{medewerkerId}",
    status_code=204,
    summary="Een medewerker uit een team halen",
    operation_id="haalTeamlidWeg",
    openapi_extra=_ADMINISTRATORS,
)
async def delete_member(
    request: Request,
    visitor: Citizen,
    _csrf: CsrfHeaderProtected,
    session: Transaction,
    team_id: TeamIdInPath,
    medewerker_id: MedewerkerIdInPath,
) -> None:
    """De medewerker blijft bij de organisatie. Wat aan het team is toegewezen, leest zij niet meer."""
    at = identity_services(request).clock.now()
    actor = await _load_administrator(session, JournalAct.TEAM_LID_BEEINDIGD, visitor, at)
    await leave_team(session, actor, team_id, medewerker_id, at=at)


async def _load_administrator(session: Transaction, act: JournalAct, visitor: Visitor, at: datetime) -> ActingEmployee:
    return await employees.load_administrator(
        session, act, visitor.person_id, visitor.organisation_kvk, visitor.assurance, at=at
    )
