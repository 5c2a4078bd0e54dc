"""The teams of an organisation: list, new team, name, members and end. A teamleider looks and changes nothing."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.audit.acts import JournalAct
from machtiging.delegation.team_members.membership import join_team, leave_team, stop_team
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import Conflict, InvalidInput, NotAllowed, Refusal
from machtiging.message_catalogue import describe_refusal, get_sentence
from machtiging.organisations.rules import MAX_TEAM_NAME_LENGTH, EmployeeState
from machtiging.organisations.teams.administration import create_team, rename_team
from machtiging.organisations.teams.queries import TeamView, list_teams, load_team
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.organisation.employees import EmployeeIdInPath, load_acting_administrator
from machtiging.portal.organisation.office import Office, open_office
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
TeamIdInPath = Annotated[UUID, Path(alias="teamId")]
PATH, NAME_FIELD, EMPLOYEE_FIELD = "/organisatie/teams", "naam", "medewerker"
# After an act: the value of `gedaan`, and the key of its sentence.
_DONE_KEYS = {
    "gemaakt": "organisation.team.created",
    "naam": "organisation.team.renamed",
    "erbij": "organisation.team.added",
    "eruit": "organisation.team.removed",
    "gestopt": "organisation.team.ended",
}
# A form that says an act was done already is answered as the first time.
_DONE_ALREADY = frozenset({"al_lid_van_team", "niet_in_team", "team_beeindigd"})


@router.get(PATH)
async def show_teams(
    request: Request, visitor: Citizen, session: Transaction, gedaan: str | None = None
) -> HTMLResponse:
    """List the teams with their members, and the form for a new one."""
    return await _render_list(request, session, visitor, make_blank_form(request), done=gedaan)


@router.post(PATH)
async def submit_team(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> Response:
    """Make a team. The same form again is told kindly."""
    at, sent = access_services(request).clock.now(), await read_submitted_form(request)
    actor = await load_acting_administrator(session, JournalAct.TEAM_GEMAAKT, visitor, at)
    name = _read_name(sent)
    if sent.faults:
        return await _render_list(request, session, visitor, sent, status=400)
    try:
        team_id = await create_team(session, actor, name, at=at)
    except (Conflict, NotAllowed, InvalidInput) as refusal:  # caught here, so that the journal line is committed
        sent.add_fault(NAME_FIELD, describe_refusal(refusal))
        return await _render_list(request, session, visitor, sent, status=_find_status(refusal))
    return RedirectResponse(f"{PATH}/{team_id}?gedaan=gemaakt", 303)


@router.get("/organisatie/teams/{teamId}")
async def show_team(
    request: Request, team_id: TeamIdInPath, visitor: Citizen, session: Transaction, gedaan: str | None = None
) -> HTMLResponse:
    """Show one team with its members. Raises NotFound `team_onbekend` for that of others too."""
    return await _render_team(request, session, visitor, team_id, None, done=gedaan)


@router.post("/organisatie/teams/{teamId}")
async def submit_name(
    request: Request, team_id: TeamIdInPath, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Give the team another name. Raises NotFound `team_onbekend`."""
    at, sent = access_services(request).clock.now(), await read_submitted_form(request)
    actor = await load_acting_administrator(session, JournalAct.TEAM_GEWIJZIGD, visitor, at)
    name = _read_name(sent)
    if sent.faults:
        return await _render_team(request, session, visitor, team_id, sent, status=400)
    act = rename_team(session, actor, team_id, name, at=at)
    return await _finish(request, session, visitor, team_id, act, "naam", sent, NAME_FIELD)


@router.post("/organisatie/teams/{teamId}/leden")
async def submit_member(
    request: Request, team_id: TeamIdInPath, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Add an employee to the team. A second press changes nothing. Raises NotFound `team_onbekend`."""
    at, sent = access_services(request).clock.now(), await read_submitted_form(request)
    actor = await load_acting_administrator(session, JournalAct.TEAM_LID_TOEGEVOEGD, visitor, at)
    try:
        employee_id = UUID(sent.first_value(EMPLOYEE_FIELD))
    except ValueError:
        sent.add_fault(EMPLOYEE_FIELD, get_sentence("organisation.team.no_employee"))
        return await _render_team(request, session, visitor, team_id, sent, status=400)
    keyring = access_services(request).keyring
    act = join_team(session, keyring, actor, team_id, employee_id, visitor.assurance, at=at)
    return await _finish(request, session, visitor, team_id, act, "erbij", sent, EMPLOYEE_FIELD)


@router.post("/organisatie/teams/{teamId}/leden/{medewerkerId}/eruit")
async def submit_removal(
    request: Request,
    team_id: TeamIdInPath,
    medewerker_id: EmployeeIdInPath,
    visitor: Citizen,
    _: CsrfProtected,
    session: Transaction,
) -> Response:
    """Take an employee out of the team. A second press changes nothing. Raises NotFound `team_onbekend`."""
    at, sent = access_services(request).clock.now(), await read_submitted_form(request)
    actor = await load_acting_administrator(session, JournalAct.TEAM_LID_BEEINDIGD, visitor, at)
    act = leave_team(session, actor, team_id, medewerker_id, at=at)
    return await _finish(request, session, visitor, team_id, act, "eruit", sent, EMPLOYEE_FIELD)


@router.get("/organisatie/teams/{teamId}/stoppen")
async def show_end_question(
    request: Request, team_id: TeamIdInPath, visitor: Citizen, session: Transaction
) -> HTMLResponse:
    """Ask whether the team ends, with the number of its members. Raises NotFound `team_onbekend`."""
    return await _render_question(request, session, visitor, team_id, None)


@router.post("/organisatie/teams/{teamId}/stoppen")
async def submit_end(
    request: Request, team_id: TeamIdInPath, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """End the team. A second press changes nothing. Raises NotFound `team_onbekend`."""
    at = access_services(request).clock.now()
    actor = await load_acting_administrator(session, JournalAct.TEAM_BEEINDIGD, visitor, at)
    try:
        await stop_team(session, actor, team_id, at=at)
    except (Conflict, NotAllowed) as refusal:  # caught here, so that the journal line is committed
        if refusal.code not in _DONE_ALREADY:
            return await _render_question(request, session, visitor, team_id, refusal)
    return RedirectResponse(f"{PATH}?gedaan=gestopt", 303)


async def _finish(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    team_id: UUID,
    act: Awaitable[None],
    done: str,
    sent: SubmittedForm,
    field: str,
) -> Response:
    """Do an act on a team that is there, and show the team again."""
    try:
        await act
    except (Conflict, NotAllowed, InvalidInput) as refusal:  # caught here, so that the journal line is committed
        if refusal.code == "team_beeindigd":
            return RedirectResponse(f"{PATH}?gedaan=gestopt", 303)
        if refusal.code not in _DONE_ALREADY:
            sent.add_fault(field, describe_refusal(refusal))
            return await _render_team(request, session, visitor, team_id, sent, status=_find_status(refusal))
    return RedirectResponse(f"{PATH}/{team_id}?gedaan={done}", 303)


def _find_status(refusal: Refusal) -> int:
    return 400 if isinstance(refusal, InvalidInput) else 403 if isinstance(refusal, NotAllowed) else 409


def _read_name(sent: SubmittedForm) -> str:
    return sent.read_text(
        NAME_FIELD, max_length=MAX_TEAM_NAME_LENGTH, missing=get_sentence("organisation.team.no_name")
    )


async def _open(request: Request, session: AsyncSession, visitor: Visitor) -> Office:
    services, at = access_services(request), access_services(request).clock.now()
    return await open_office(session, services.keyring, visitor, at=at, shows_clients=False)


async def _open_team(
    request: Request, session: AsyncSession, visitor: Visitor, team_id: UUID
) -> tuple[Office, TeamView]:
    office, at = await _open(request, session, visitor), access_services(request).clock.now()
    return office, await load_team(session, office.leader.organisation.id, team_id, at=at)


async def _render_list(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    sent: SubmittedForm,
    *,
    done: str | None = None,
    status: int = 200,
) -> HTMLResponse:
    office, at = await _open(request, session, visitor), access_services(request).clock.now()
    teams = await list_teams(session, office.leader.organisation.id, at=at)
    return render_page(
        request,
        "organisation_teams.html",
        status=status,
        office=office,
        sent=sent,
        teams=sorted(teams, key=lambda team: team.name.casefold()),
        message=_describe_done(done),
        max_name=MAX_TEAM_NAME_LENGTH,
    )


async def _render_team(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    team_id: UUID,
    sent: SubmittedForm | None,
    *,
    done: str | None = None,
    status: int = 200,
) -> HTMLResponse:
    office, team = await _open_team(request, session, visitor, team_id)
    opened = sent or make_blank_form(request)
    if NAME_FIELD not in opened.values:
        opened.values[NAME_FIELD] = [team.name]
    return render_page(
        request,
        "organisation_team.html",
        status=status,
        office=office,
        team=team,
        sent=opened,
        members=[one for one in office.employees.values() if one.id in team.member_ids],
        options=_list_options(office, team),
        message=_describe_done(done),
        max_name=MAX_TEAM_NAME_LENGTH,
    )


def _list_options(office: Office, team: TeamView) -> list[tuple[str, str]]:
    """List the employees who can join: active, and not in the team."""
    return [
        (str(one.id), office.name_employee(one.id))
        for one in office.employees.values()
        if one.state is EmployeeState.ACTIVE and one.id not in team.member_ids
    ]


async def _render_question(
    request: Request, session: AsyncSession, visitor: Visitor, team_id: UUID, refusal: Refusal | None
) -> HTMLResponse:
    office, team = await _open_team(request, session, visitor, team_id)
    values: dict[str, Any] = {"office": office, "team": team}
    return render_page(
        request,
        "organisation_team_end.html",
        status=200 if refusal is None else _find_status(refusal),
        note="" if refusal is None else describe_refusal(refusal),
        **values,
    )


def _describe_done(done: str | None) -> str:
    return get_sentence(_DONE_KEYS[done]) if done in _DONE_KEYS else ""
