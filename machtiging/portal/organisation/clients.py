"""The clients of an organisation: who has no reader, and assigning some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.delegation.assignment_tasks.creation import request_assignments
from machtiging.delegation.assignments.acting_employee import describe_login
from machtiging.delegation.assignments.clients import (
    MAX_CLIENTS_PER_PAGE,
    ClientCursor,
    OrganisationClient,
    list_ids_without_reader,
    list_organisation_clients,
    load_organisation_clients,
)
from machtiging.delegation.assignments.creation import assign_machtigingen
from machtiging.delegation.assignments.proposals import find_proposed
from machtiging.delegation.assignments.rules import (
    MAX_CASE_REFERENCE_LENGTH,
    MAX_MEMBER_LINKS_PER_CALL,
    AssignmentRequest,
)
from machtiging.delegation.rules import EffectiveState, effective_state
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.profile_claims import Profile
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import Conflict, InvalidInput, NotAllowed, Refusal
from machtiging.kernel.ids import MachtigingId
from machtiging.message_catalogue import describe_refusal, get_sentence
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.labels import STANDING_LABELS
from machtiging.portal.organisation.office import KEY_FIELD, Office, open_office, read_ids, read_key
from machtiging.portal.organisation.tasks import PATH as TASKS_PATH
from machtiging.portal.views import name_of_profile
from machtiging.storage.unit_of_work import Transaction
from machtiging.tasks.rules import MAX_ITEMS_PER_TASK
from machtiging.web.pages import format_day, render_page

router = APIRouter(include_in_schema=False)
CLIENT_FIELD, EMPLOYEE_FIELD, REFERENCE_FIELD = "client", "medewerker", "zaakkenmerk"
# Before the id of a team in the field of the employee.
TEAM_PREFIX = "team:"
ALL_FIELD, ALL_WITHOUT_READER = "alle", "zonder-lezer"
# One field for each client, and a few more.
MAX_FIELDS = 1_000
_TONES = {EffectiveState.PAUSED: "paused", EffectiveState.STOPPED: "refused", EffectiveState.NOT_BEGUN: "waiting"}


@dataclass(frozen=True, slots=True)
class ClientLine:
    """A client in the list. `state` is "" for a machtiging in force."""

    id: UUID
    name: str
    born: str
    purpose: str
    ends_at: datetime
    readers: list[str]
    state: str
    tone: str


@dataclass(frozen=True, slots=True)
class ResultLine:
    """The result of one client in a form. `reason` is "" for a client that was assigned or proposed."""

    name: str
    reason: str
    waits: bool = False


def describe_client(client: OrganisationClient, office: Office, at: datetime) -> ClientLine:
    """Describe a client in words. Of a forged row nothing is told."""
    authority = client.authority
    state = effective_state(authority.root, at)
    is_plain = state is EffectiveState.IN_FORCE
    return ClientLine(
        id=authority.machtiging_id,
        name=name_of_profile(client.profile),
        born=describe_birth_date(client.profile),
        purpose=authority.root.purpose if authority.is_authentic else "",
        ends_at=authority.ends_at,
        readers=office.name_employees(client.reader_ids),
        state="" if is_plain else STANDING_LABELS[state],
        tone="" if is_plain else _TONES.get(state, "stopped"),
    )


def describe_birth_date(profile: Profile | None) -> str:
    """Describe the birth date, which tells two of one name apart; "" if unknown."""
    born = None if profile is None else profile.birth_date
    return "" if not isinstance(born, date) else get_sentence("organisation.clients.born", day=format_day(born))


@router.get("/organisatie")
async def show_clients(
    request: Request,
    visitor: Citizen,
    session: Transaction,
    na: Annotated[UUID | None, Query()] = None,
    met: Annotated[bool, Query()] = False,  # noqa: FBT002 - a query parameter
) -> HTMLResponse:
    """List the clients of the visitor's organisation, those without a reader first."""
    services = access_services(request)
    office = await open_office(session, services.keyring, visitor, at=services.clock.now(), with_teams=True)
    after = None if na is None else ClientCursor(met, na)
    return await _render_list(request, session, office, make_blank_form(request), after=after)


@router.post("/organisatie")
async def submit_assignments(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> Response:
    """Assign the chosen clients, and show what became of each. The same form again changes nothing."""
    services, at = access_services(request), access_services(request).clock.now()
    sent = await read_submitted_form(request, max_fields=MAX_FIELDS)
    office = await open_office(session, services.keyring, visitor, at=at, with_teams=True)
    requests = read_requests(sent, office, await _find_all(session, sent, office, at))
    if sent.faults:
        return await _render_list(request, session, office, sent, status=400)
    try:
        if sent.has_value(ALL_FIELD, ALL_WITHOUT_READER) or _needs_task(office, requests):
            return await _ask_task(session, request, visitor, requests, sent)
        results = await assign_machtigingen(session, services.keyring, describe_login(visitor), requests, at=at)
    except (NotAllowed, InvalidInput, Conflict) as refusal:  # caught here, so that the journal line is committed
        sent.add_fault(CLIENT_FIELD, describe_refusal(refusal))
        status = 409 if isinstance(refusal, Conflict) else 403
        return await _render_list(request, session, office, sent, status=status)
    return await render_results(request, session, office, requests, results)


async def _find_all(session: AsyncSession, sent: SubmittedForm, office: Office, at: datetime) -> Sequence[UUID] | None:
    """Find all clients without a reader, if the form chose them. None if it did not."""
    if not sent.has_value(ALL_FIELD, ALL_WITHOUT_READER):
        return None
    return await list_ids_without_reader(session, office.leader.organisation.id, at=at, limit=MAX_ITEMS_PER_TASK)


def _needs_task(office: Office, requests: Sequence[AssignmentRequest]) -> bool:
    """Return whether one call would give too many links of team members."""
    team_ids = {one.team_id for one in requests}
    members = max((len(one.member_ids) for one in office.teams if one.id in team_ids), default=0)
    return len(requests) > 1 and len(requests) * members > MAX_MEMBER_LINKS_PER_CALL


async def _ask_task(
    session: AsyncSession,
    request: Request,
    visitor: Visitor,
    requests: Sequence[AssignmentRequest],
    sent: SubmittedForm,
) -> RedirectResponse:
    """Ask a task, and go to its page. The same form again goes to the same page, also when nobody is left."""
    services, at = access_services(request), access_services(request).clock.now()
    intent = None
    if sent.has_value(ALL_FIELD, ALL_WITHOUT_READER):
        intent = ":".join((ALL_WITHOUT_READER, sent.first_value(EMPLOYEE_FIELD), sent.first_value(REFERENCE_FIELD)))
    task_id = await request_assignments(
        session,
        services.keyring,
        describe_login(visitor),
        requests,
        idempotency_key=read_key(sent),
        intent=intent,
        at=at,
    )
    return RedirectResponse(f"{TASKS_PATH}/{task_id}", 303)


def read_requests(
    sent: SubmittedForm, office: Office, all_ids: Sequence[UUID] | None = None
) -> list[AssignmentRequest]:
    """Read the chosen clients, or `all_ids`, and their new reader. None if the form has faults."""
    ids = read_ids(sent.all_values(CLIENT_FIELD)) if all_ids is None else all_ids
    if not ids and all_ids is None:
        sent.add_fault(CLIENT_FIELD, get_sentence("organisation.assign.no_client"))
    allowed = {value for value, _ in list_holders(office)}
    missing = get_sentence("organisation.assign.no_employee")
    holder = sent.read_choice(EMPLOYEE_FIELD, allowed, missing=missing)
    reference = None
    if sent.first_value(REFERENCE_FIELD):
        reference = sent.read_text(REFERENCE_FIELD, max_length=MAX_CASE_REFERENCE_LENGTH, missing="")
    if sent.faults:
        return []
    key = read_key(sent)
    is_team, holder_id = holder.startswith(TEAM_PREFIX), UUID(holder.removeprefix(TEAM_PREFIX))
    named = (None, holder_id) if is_team else (holder_id, None)
    return [AssignmentRequest(MachtigingId(one), named[0], named[1], reference, key) for one in ids]


def list_holders(office: Office) -> list[tuple[str, str]]:
    """List the employees who may read, and the teams with the number of their members."""
    teams = [
        (f"{TEAM_PREFIX}{one.id}", get_sentence("organisation.assign.team", name=one.name, n=len(one.member_ids)))
        for one in office.teams
    ]
    return [*((str(one.id), one.name) for one in office.readers), *teams]


async def _render_list(
    request: Request,
    session: AsyncSession,
    office: Office,
    sent: SubmittedForm,
    *,
    after: ClientCursor | None = None,
    status: int = 200,
) -> HTMLResponse:
    services, at = access_services(request), access_services(request).clock.now()
    page = await list_organisation_clients(session, services.keyring, office.leader.organisation.id, at=at, after=after)
    shown = page.clients[:MAX_CLIENTS_PER_PAGE]
    older = ""
    if len(page.clients) > MAX_CLIENTS_PER_PAGE:
        last = shown[-1]
        met = "1" if last.reader_ids else "0"
        older = f"/organisatie?na={last.authority.machtiging_id}&met={met}"
    lines = [describe_client(one, office, at) for one in shown]
    return render_page(
        request,
        "organisation_clients.html",
        status=status,
        office=office,
        sent=sent,
        key=read_key(sent),
        key_field=KEY_FIELD,
        all_field=ALL_FIELD,
        all_value=ALL_WITHOUT_READER,
        without=[line for line in lines if not line.readers],
        with_reader=[line for line in lines if line.readers],
        without_count=page.without_reader,
        total=page.total,
        newest="/organisatie" if after is not None else "",
        older=older,
        employee_options=list_holders(office),
        max_reference=MAX_CASE_REFERENCE_LENGTH,
        is_accepted=request.query_params.get("gedaan") == "aangenomen",
    )


async def render_results(
    request: Request,
    session: AsyncSession,
    office: Office,
    requests: Sequence[AssignmentRequest],
    results: Sequence[MachtigingId | Refusal],
    *,
    back: str = "organisation.back_to_clients",
    back_path: str = "/organisatie",
) -> HTMLResponse:
    """Show the result of each client, the refused ones first. Names of at most one page are opened."""
    services, at = access_services(request), access_services(request).clock.now()
    ids = [one.machtiging_id for one in requests]
    clients = await load_organisation_clients(session, services.keyring, office.leader.organisation.id, ids, at=at)
    proposed = await find_proposed(session, [one for one in results if not isinstance(one, Refusal)])
    lines = []
    for one, result in zip(requests, results, strict=True):
        found = clients.get(one.machtiging_id)
        name = name_of_profile(None if found is None else found.profile)
        lines.append(
            ResultLine(name, describe_refusal(result) if isinstance(result, Refusal) else "", result in proposed)
        )
    return render_page(
        request,
        "organisation_results.html",
        refused=[line for line in lines if line.reason],
        done=[line for line in lines if not line.reason and not line.waits],
        waiting=[line for line in lines if line.waits],
        employee=office.name_holder(requests[0].employee_id, requests[0].team_id),
        is_team=requests[0].team_id is not None,
        back=get_sentence(back),
        back_path=back_path,
    )
