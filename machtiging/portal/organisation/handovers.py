"""Clients who lost their reader by a departure, and assigning some of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse

from machtiging.access.dependencies import access_services
from machtiging.delegation.assignments.acting_employee import describe_login
from machtiging.delegation.assignments.clients import MAX_CLIENTS_PER_PAGE, load_organisation_clients
from machtiging.delegation.assignments.creation import assign_machtigingen
from machtiging.delegation.assignments.rules import MAX_CASE_REFERENCE_LENGTH, AssignmentRequest
from machtiging.delegation.handover.queries import ItemCursor, ItemView, find_handovers, list_waiting
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen
from machtiging.kernel.errors import InvalidInput, NotAllowed
from machtiging.message_catalogue import describe_refusal
from machtiging.organisations.employee_names import load_named_employees
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.organisation.clients import (
    CLIENT_FIELD,
    MAX_FIELDS,
    ClientLine,
    describe_client,
    list_holders,
    read_requests,
    render_results,
)
from machtiging.portal.organisation.office import KEY_FIELD, Office, open_office, read_key
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PATH = "/organisatie/overdrachten"
_NO_HANDOVER = UUID(int=0)


@dataclass(frozen=True, slots=True)
class WaitingLine:
    """A client who waits. `left`: the employee who read; `is_told`: the client knows that nobody reads."""

    client: ClientLine
    left: str
    due_at: datetime
    is_told: bool


@router.get("/organisatie/overdrachten")
async def show_waiting_clients(
    request: Request,
    visitor: Citizen,
    session: Transaction,
    tot: Annotated[datetime | None, Query()] = None,
    na: Annotated[UUID | None, Query()] = None,
) -> HTMLResponse:
    """List the clients without a reader after a departure, the earliest date first."""
    services = access_services(request)
    office = await open_office(session, services.keyring, visitor, at=services.clock.now(), with_teams=True)
    after = None
    if tot is not None and tot.tzinfo is not None and na is not None:
        after = ItemCursor(tot, na)
    return await _render_list(request, session, office, make_blank_form(request), after=after)


@router.post("/organisatie/overdrachten")
async def submit_distribution(
    request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> HTMLResponse:
    """Assign the chosen clients, and show what became of each. The same form again changes nothing."""
    services, at = access_services(request), access_services(request).clock.now()
    sent = await read_submitted_form(request, max_fields=MAX_FIELDS)
    office = await open_office(session, services.keyring, visitor, at=at, with_teams=True)
    requests = await _name_handovers(session, office, read_requests(sent, office))
    if sent.faults:
        return await _render_list(request, session, office, sent, status=400)
    try:
        results = await assign_machtigingen(session, services.keyring, describe_login(visitor), requests, at=at)
    except (NotAllowed, InvalidInput) as refusal:  # caught here, so that the journal line is committed
        sent.add_fault(CLIENT_FIELD, describe_refusal(refusal))
        return await _render_list(request, session, office, sent, status=403)
    back = "organisation.handover.back"
    return await render_results(request, session, office, requests, results, back=back, back_path=PATH)


async def _name_handovers(
    session: AsyncSession, office: Office, requests: list[AssignmentRequest]
) -> list[AssignmentRequest]:
    """Name the hand-over of each client. What a colleague assigned is then refused."""
    ids = [one.machtiging_id for one in requests]
    found = await find_handovers(session, office.leader.organisation.id, ids) if ids else {}
    return [replace(one, handover_id=found.get(one.machtiging_id, _NO_HANDOVER)) for one in requests]


async def _render_list(
    request: Request,
    session: AsyncSession,
    office: Office,
    sent: SubmittedForm,
    *,
    after: ItemCursor | None = None,
    status: int = 200,
) -> HTMLResponse:
    at = access_services(request).clock.now()
    organisation_id, limit = office.leader.organisation.id, MAX_CLIENTS_PER_PAGE
    items = await list_waiting(session, organisation_id, at=at, after=after, limit=limit + 1)
    shown, older = items[:limit], ""
    if len(items) > limit:
        last = shown[-1]
        older = f"{PATH}?tot={last.due_at:%Y-%m-%dT%H:%M:%S.%fZ}&na={last.machtiging_id}"
    return render_page(
        request,
        "organisation_handovers.html",
        status=status,
        office=office,
        sent=sent,
        key=read_key(sent),
        key_field=KEY_FIELD,
        lines=await _describe_items(request, session, office, shown, at),
        newest=PATH if after is not None else "",
        older=older,
        employee_options=list_holders(office),
        max_reference=MAX_CASE_REFERENCE_LENGTH,
    )


async def _describe_items(
    request: Request, session: AsyncSession, office: Office, items: list[ItemView], at: datetime
) -> list[WaitingLine]:
    """Describe the clients with their names, and those of the employees who left."""
    keyring, organisation_id = access_services(request).keyring, office.leader.organisation.id
    ids = [one.machtiging_id for one in items]
    clients = await load_organisation_clients(session, keyring, organisation_id, ids, at=at)
    readers = {one.employee_id for one in items}
    employees = await load_named_employees(session, keyring, organisation_id, readers, at=at)
    with_departed = replace(office, employees={**office.employees, **employees})
    return [
        WaitingLine(
            client=describe_client(clients[one.machtiging_id], office, at),
            left=with_departed.name_employee(one.employee_id),
            due_at=one.due_at,
            is_told=one.told_at is not None,
        )
        for one in items
        if one.machtiging_id in clients
    ]
