"""One client of an organisation: the machtiging, its readers, and ending an assignment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.delegation.assignments.acting_employee import describe_login
from machtiging.delegation.assignments.clients import OrganisationClient, load_organisation_clients
from machtiging.delegation.assignments.queries import find_stop_code, list_client_assignments
from machtiging.delegation.assignments.termination import end_assignments
from machtiging.delegation.authority.rules import Authority
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import NotFound, Refusal
from machtiging.kernel.ids import MachtigingId
from machtiging.organisations.teams.queries import list_teams, load_team_names
from machtiging.portal.organisation.clients import describe_client
from machtiging.portal.organisation.office import Office, open_office
from machtiging.portal.views import name_of_profile
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
ClientIdInPath = Annotated[UUID, Path(alias="machtigingId")]
AssignmentIdInPath = Annotated[UUID, Path(alias="toewijzingId")]
_ALREADY_ENDED = "toewijzing_beeindigd"


@dataclass(frozen=True, slots=True)
class AssignmentLine:
    """An assignment of a client. `reads`: it opens letters now. `waits`: for a second person."""

    id: UUID
    name: str
    since: datetime
    reads: bool
    waits: bool


@router.get("/organisatie/clienten/{machtigingId}")
async def show_client(
    request: Request,
    machtiging_id: ClientIdInPath,
    visitor: Citizen,
    session: Transaction,
    gedaan: str | None = None,
) -> HTMLResponse:
    """Show one client with all assignments. Raises NotFound `machtiging_onbekend` for that of others too."""
    at = access_services(request).clock.now()
    office, client, links = await _load_client(request, session, visitor, machtiging_id, at=at)
    return render_page(
        request,
        "organisation_client.html",
        excluded_teams=await _name_excluded_teams(session, office, client.authority, at),
        office=office,
        client=describe_client(client, office, at),
        assignments=[_describe_assignment(link, office, at) for link in links],
        is_ended=gedaan == "gestopt",
    )


@router.get("/organisatie/clienten/{machtigingId}/toewijzingen/{toewijzingId}")
async def show_end_question(
    request: Request,
    machtiging_id: ClientIdInPath,
    toewijzing_id: AssignmentIdInPath,
    visitor: Citizen,
    session: Transaction,
) -> Response:
    """Ask whether to end an assignment. One that ended leads back to its client."""
    at = access_services(request).clock.now()
    office, client, links = await _load_client(request, session, visitor, machtiging_id, at=at)
    found = next((link for link in links if link.machtiging_id == toewijzing_id), None)
    if found is None:
        return RedirectResponse(f"/organisatie/clienten/{machtiging_id}", 303)
    return render_page(
        request,
        "organisation_assignment_end.html",
        client_id=machtiging_id,
        client=name_of_profile(client.profile),
        employee=office.name_holder(found.leaf.employee_id, found.team_id),
        action=f"/organisatie/clienten/{machtiging_id}/toewijzingen/{toewijzing_id}",
        is_team=found.team_id is not None,
        is_last=all(one is found or find_stop_code(one, at) is not None for one in links),
    )


@router.post("/organisatie/clienten/{machtigingId}/toewijzingen/{toewijzingId}")
async def submit_end(
    request: Request,
    machtiging_id: ClientIdInPath,
    toewijzing_id: AssignmentIdInPath,
    visitor: Citizen,
    _: CsrfProtected,
    session: Transaction,
) -> Response:
    """End an assignment; a second press changes nothing. Raises NotFound `toewijzing_onbekend` for that of others."""
    at = access_services(request).clock.now()
    (result,) = await end_assignments(session, describe_login(visitor), [MachtigingId(toewijzing_id)], at=at)
    if isinstance(result, Refusal) and result.code != _ALREADY_ENDED:
        raise result
    return RedirectResponse(f"/organisatie/clienten/{machtiging_id}?gedaan=gestopt", 303)


async def _load_client(
    request: Request, session: AsyncSession, visitor: Visitor, machtiging_id: UUID, *, at: datetime
) -> tuple[Office, OrganisationClient, list[Authority]]:
    keyring = access_services(request).keyring
    office = await open_office(session, keyring, visitor, at=at)
    organisation_id = office.leader.organisation.id
    clients = await load_organisation_clients(session, keyring, organisation_id, [machtiging_id], at=at)
    if machtiging_id not in clients:
        raise NotFound("machtiging_onbekend")
    links = await list_client_assignments(session, MachtigingId(machtiging_id), at=at)
    if any(link.team_id is not None for link in links):
        office = replace(office, teams=await list_teams(session, organisation_id, at=at))
    return office, clients[machtiging_id], links


async def _name_excluded_teams(session: AsyncSession, office: Office, authority: Authority, at: datetime) -> list[str]:
    """Name the teams of which the client lets nobody read."""
    if not authority.root.excluded_team_ids:
        return []
    names = await load_team_names(session, office.leader.organisation.id, at=at)
    return sorted(names[team_id] for team_id in authority.root.excluded_team_ids & names.keys())


def _describe_assignment(link: Authority, office: Office, at: datetime) -> AssignmentLine:
    return AssignmentLine(
        id=link.machtiging_id,
        name=office.name_holder(link.leaf.employee_id, link.team_id),
        since=link.leaf.offered_at,
        reads=find_stop_code(link, at) is None,
        waits=link.awaits_second_person,
    )
