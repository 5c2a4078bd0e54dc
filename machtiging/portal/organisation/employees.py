"""The employees of an organisation: list, invitation, roles, leave and departure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.audit.acts import JournalAct
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.assignments.clients import EmployeeClients, count_clients_of_employees
from machtiging.delegation.handover.departure import record_departure
from machtiging.delegation.handover.queries import count_waiting_of_employee
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.dependencies import identity_services
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import Conflict, InvalidInput, NotAllowed, NotFound, Refusal
from machtiging.message_catalogue import describe_refusal, get_sentence
from machtiging.organisations import employees
from machtiging.organisations.employee_names import EmployeeView
from machtiging.organisations.invitations.queries import InvitationView, list_invitations
from machtiging.organisations.rules import (
    MAX_EMPLOYEE_NAME_LENGTH,
    MAX_SUBJECT_LENGTH,
    ActingEmployee,
    EmployeeInvitation,
    EmployeeRole,
    EmployeeState,
    parse_roles,
)
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.organisation.office import ROLE_LABELS, STATE_LABELS, Office, open_office
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
EmployeeIdInPath = Annotated[UUID, Path(alias="medewerkerId")]
NAME_FIELD, SUBJECT_FIELD, ROLE_FIELD, STATE_FIELD = "naam", "inlogkenmerk", "rol", "status"
EMPLOYEES_PATH = "/organisatie/medewerkers"
_NO_CLIENTS = EmployeeClients(0, 0)
# After an act: the value of `gedaan`, and the key of its sentence.
_DONE_KEYS = {
    "uitgenodigd": "organisation.employees.invited",
    "verstuurd": "organisation.link.sent",
    "ingetrokken": "organisation.link.withdrawn",
    "gewijzigd": "organisation.employees.changed",
    "vertrokken": "organisation.employees.departed",
}
_TONES = {
    EmployeeState.INVITED: "waiting",
    EmployeeState.ACTIVE: "good",
    EmployeeState.SUSPENDED: "paused",
    EmployeeState.DEPARTED: "stopped",
}
# A form that says an act was done already is answered as the first time.
_DONE_ALREADY = frozenset({"medewerker_niet_actief", "medewerker_niet_op_non_actief", "al_vertrokken"})


@router.get("/organisatie/medewerkers")
async def show_employees(
    request: Request,
    visitor: Citizen,
    session: Transaction,
    gedaan: str | None = None,
    wie: Annotated[UUID | None, Query()] = None,
) -> HTMLResponse:
    """List the employees with their roles, their state and the number of their clients.

    After a departure: the number of clients of that employee (`wie`) who wait for a reader.
    """
    services, at = access_services(request), access_services(request).clock.now()
    office = await open_office(session, services.keyring, visitor, at=at, shows_clients=False)
    organisation_id = office.leader.organisation.id
    counts = await count_clients_of_employees(session, organisation_id, at=at)
    waiting = 0
    if wie is not None:
        waiting = await count_waiting_of_employee(session, organisation_id, wie, at=at)
    return render_page(
        request,
        "organisation_employees.html",
        waiting=waiting,
        office=office,
        invitations=await _list_invitations(session, services.keyring, office, at),
        counts={one: counts.get(one, _NO_CLIENTS).assigned for one in office.employees},
        roles=ROLE_LABELS,
        states=STATE_LABELS,
        tones=_TONES,
        message=get_sentence(_DONE_KEYS[gedaan]) if gedaan in _DONE_KEYS else "",
    )


async def _list_invitations(
    session: AsyncSession, keyring: KeyRing, office: Office, at: datetime
) -> Sequence[InvitationView]:
    """List the open invitations by a link, for an organisatiebeheerder only."""
    if not office.is_administrator:
        return ()
    return await list_invitations(session, keyring, office.leader.organisation.id, at=at)


@router.get("/organisatie/medewerkers/uitnodigen")
async def show_invitation_form(request: Request, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """Ask for the name, the login and the roles of a new employee."""
    at = access_services(request).clock.now()
    await load_acting_administrator(session, JournalAct.MEDEWERKER_LIJST, visitor, at)
    return _render_invitation(request, make_blank_form(request, rol=[EmployeeRole.CARE_WORKER.value]))


@router.post("/organisatie/medewerkers/uitnodigen")
async def submit_invitation(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> Response:
    """Invite an employee, who logs in within seven days. The same form again is told kindly."""
    services, at = identity_services(request), identity_services(request).clock.now()
    sent = await read_submitted_form(request)
    actor = await load_acting_administrator(session, JournalAct.MEDEWERKER_UITGENODIGD, visitor, at)
    name = sent.read_text(
        NAME_FIELD, max_length=MAX_EMPLOYEE_NAME_LENGTH, missing=get_sentence("organisation.invite.no_name")
    )
    subject = sent.read_text(
        SUBJECT_FIELD, max_length=MAX_SUBJECT_LENGTH, missing=get_sentence("organisation.invite.no_login")
    )
    roles = read_roles(sent)
    if sent.faults:
        return _render_invitation(request, sent, status=400)
    try:
        invitation = EmployeeInvitation(services.broker.issuer, subject, name, roles)
        organisation_id = actor.organisation_id
        await employees.invite_employee(session, services.keyring, actor, organisation_id, invitation, at=at)
    except (Conflict, NotAllowed, InvalidInput) as refusal:  # caught here, so that the journal line is committed
        sent.add_fault(SUBJECT_FIELD, describe_refusal(refusal))
        return _render_invitation(request, sent, status=409)
    return RedirectResponse(f"{EMPLOYEES_PATH}?gedaan=uitgenodigd", 303)


@router.get("/organisatie/medewerkers/{medewerkerId}")
async def show_employee(
    request: Request, medewerker_id: EmployeeIdInPath, visitor: Citizen, session: Transaction
) -> HTMLResponse:
    """Show one employee with the roles to change. Raises NotFound `medewerker_onbekend` for that of others too."""
    return await _render_employee(request, session, visitor, medewerker_id, None)


@router.post("/organisatie/medewerkers/{medewerkerId}")
async def submit_change(
    request: Request, medewerker_id: EmployeeIdInPath, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Change the roles, or put on leave and back. Raises NotFound `medewerker_onbekend`."""
    services, at = access_services(request), access_services(request).clock.now()
    sent = await read_submitted_form(request)
    actor = await load_acting_administrator(session, JournalAct.MEDEWERKER_GEWIJZIGD, visitor, at)
    state = sent.first_value(STATE_FIELD)
    try:
        if state == EmployeeState.SUSPENDED:
            await employees.suspend_employee(session, services.keyring, actor, medewerker_id, at=at)
        elif state == EmployeeState.ACTIVE:
            await employees.resume_employee(session, services.keyring, actor, medewerker_id, at=at)
        else:
            roles = read_roles(sent)
            if sent.faults:
                return await _render_employee(request, session, visitor, medewerker_id, sent, status=400)
            await employees.change_roles(session, services.keyring, actor, medewerker_id, roles, at=at)
    except (Conflict, NotAllowed) as refusal:  # caught here, so that the journal line is committed
        if refusal.code not in _DONE_ALREADY:
            sent.add_fault(ROLE_FIELD, describe_refusal(refusal))
            return await _render_employee(request, session, visitor, medewerker_id, sent, status=409)
    return RedirectResponse(f"{EMPLOYEES_PATH}?gedaan=gewijzigd", 303)


@router.get("/organisatie/medewerkers/{medewerkerId}/vertrek")
async def show_departure_question(
    request: Request, medewerker_id: EmployeeIdInPath, visitor: Citizen, session: Transaction
) -> HTMLResponse:
    """Ask whether an employee leaves, with the number of clients that lose their reader."""
    return await _render_departure(request, session, visitor, medewerker_id)


@router.post("/organisatie/medewerkers/{medewerkerId}/vertrek")
async def submit_departure(
    request: Request, medewerker_id: EmployeeIdInPath, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Record that an employee left. Access ends with this answer; a second press changes nothing."""
    services, at = access_services(request), access_services(request).clock.now()
    actor = await load_acting_administrator(session, JournalAct.MEDEWERKER_VERTROKKEN, visitor, at)
    try:
        await record_departure(session, services.keyring, actor, medewerker_id, at=at)
    except Conflict as refusal:  # caught here, so that the journal line is committed
        if refusal.code not in _DONE_ALREADY:
            return await _render_departure(request, session, visitor, medewerker_id, refusal=refusal)
    return RedirectResponse(f"{EMPLOYEES_PATH}?gedaan=vertrokken&wie={medewerker_id}", 303)


async def load_acting_administrator(
    session: AsyncSession, act: JournalAct, visitor: Visitor, at: datetime
) -> ActingEmployee:
    """Load the organisatiebeheerder of this login. Raises as `employees.load_administrator`."""
    kvk = visitor.organisation_kvk
    return await employees.load_administrator(session, act, visitor.person_id, kvk, visitor.assurance, at=at)


def read_roles(sent: SubmittedForm) -> frozenset[EmployeeRole]:
    """Read the roles of a form; none, with the fault noted, if they cannot be."""
    try:
        return parse_roles(sent.all_values(ROLE_FIELD))
    except InvalidInput as refusal:
        sent.add_fault(ROLE_FIELD, describe_refusal(refusal))
        return frozenset()


def _render_invitation(request: Request, sent: SubmittedForm, *, status: int = 200) -> HTMLResponse:
    return render_page(
        request,
        "organisation_invite.html",
        status=status,
        sent=sent,
        role_options=list_role_options(),
        max_name=MAX_EMPLOYEE_NAME_LENGTH,
        max_subject=MAX_SUBJECT_LENGTH,
    )


def list_role_options() -> list[tuple[str, str]]:
    """Return all roles with their words, for a group of choices."""
    return [(role.value, ROLE_LABELS[role]) for role in EmployeeRole]


async def _load_employee(
    request: Request, session: AsyncSession, visitor: Visitor, employee_id: UUID
) -> tuple[Office, EmployeeView, EmployeeClients]:
    services, at = access_services(request), access_services(request).clock.now()
    office = await open_office(session, services.keyring, visitor, at=at, shows_clients=False)
    if employee_id not in office.employees:
        raise NotFound("medewerker_onbekend")
    counts = await count_clients_of_employees(session, office.leader.organisation.id, at=at)
    return office, office.employees[employee_id], counts.get(employee_id, _NO_CLIENTS)


async def _render_employee(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    employee_id: UUID,
    sent: SubmittedForm | None,
    *,
    status: int = 200,
) -> HTMLResponse:
    office, employee, clients = await _load_employee(request, session, visitor, employee_id)
    return render_page(
        request,
        "organisation_employee.html",
        status=status,
        office=office,
        employee=employee,
        clients=clients.assigned,
        sent=sent or make_blank_form(request, rol=sorted(employee.roles)),
        roles=ROLE_LABELS,
        role_options=list_role_options(),
        state=STATE_LABELS[employee.state],
        tone=_TONES[employee.state],
    )


async def _render_departure(
    request: Request, session: AsyncSession, visitor: Visitor, employee_id: UUID, *, refusal: Refusal | None = None
) -> HTMLResponse:
    _office, employee, clients = await _load_employee(request, session, visitor, employee_id)
    return render_page(
        request,
        "organisation_departure.html",
        status=200 if refusal is None else 409,
        employee=employee,
        clients=clients,
        note="" if refusal is None else describe_refusal(refusal),
    )
