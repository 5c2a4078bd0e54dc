"""The renewal round: clients whose machtiging ends soon, and their answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.secrets import generate_token
from machtiging.delegation.assignments.acting_employee import describe_login, load_requesting_employee
from machtiging.delegation.caseload.assigned_clients import AssignedClient
from machtiging.delegation.renewals.asking import ask_renewals, list_ending_clients
from machtiging.delegation.renewals.results import load_round_results
from machtiging.delegation.renewals.rules import RenewalQuestion, RenewalState
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import Conflict
from machtiging.message_catalogue import CatalogueLabels, describe_refusal, get_sentence
from machtiging.portal import views
from machtiging.portal.forms import read_submitted_form
from machtiging.portal.organisation.office import KEY_FIELD, read_key
from machtiging.portal.work.parameters import CLIENTS_PATH
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PATH = "/werk/verlengen"
STATE_LABELS: Mapping[RenewalState, str] = CatalogueLabels("work.renew.state", RenewalState)
_TONES = {
    RenewalState.WAITING: "waiting",
    RenewalState.AGREED: "good",
    RenewalState.REFUSED: "refused",
    RenewalState.EXPIRED: "stopped",
}


@dataclass(frozen=True, slots=True)
class RenewalRow:
    """One client with the question and its answer. `href` is None for a client that may not be seen now."""

    name: str
    href: str | None
    ends_at: datetime | None
    label: str
    tone: str
    question: RenewalQuestion | None


@router.get(PATH)
async def show_ending_clients(request: Request, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """List the clients whose machtiging ends within thirty days, with the last question to each."""
    return await _render_list(request, session, visitor)


@router.post(PATH)
async def submit_round(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> Response:
    """Ask every client who was not asked yet. The same form again leads to the same round."""
    services, sent = access_services(request), await read_submitted_form(request)
    login, at = describe_login(visitor), services.clock.now()
    try:
        round_id = await ask_renewals(session, services.keyring, login, read_key(sent), at=at)
    except Conflict as refusal:  # caught here, so that the journal line is committed
        return await _render_list(request, session, visitor, problem=describe_refusal(refusal))
    return RedirectResponse(f"{PATH}/{round_id}", 303)


@router.get(PATH + "/{rondeId}")
async def show_round(
    request: Request, ronde_id: Annotated[UUID, Path(alias="rondeId")], visitor: Citizen, session: Transaction
) -> HTMLResponse:
    """Show the result for each client of a round. Raises NotFound `verlengingsronde_onbekend` for one of others."""
    services, login = access_services(request), describe_login(visitor)
    at = services.clock.now()
    results = await load_round_results(session, login, ronde_id, at=at)
    questions = [one.question for one in results]
    rows = [_build_row(services.keyring, one.client, one.question, at) for one in results]
    return render_page(
        request,
        "work_renewal_round.html",
        rows=rows,
        asked_at=questions[0].asked_at,
        counts=[(STATE_LABELS[state], sum(one.state_at(at) is state for one in questions)) for state in RenewalState],
        root=PATH,
    )


async def _render_list(request: Request, session: AsyncSession, visitor: Visitor, *, problem: str = "") -> HTMLResponse:
    services, login = access_services(request), describe_login(visitor)
    at = services.clock.now()
    await load_requesting_employee(session, login, at=at)
    ending = await list_ending_clients(session, login, at=at)
    return render_page(
        request,
        "work_renewals.html",
        status=409 if problem else 200,
        rows=[_build_row(services.keyring, one.client, one.question, at) for one in ending],
        unasked=sum(one.question is None for one in ending),
        key_field=KEY_FIELD,
        key=generate_token(128),
        problem=problem,
        action=PATH,
    )


def _build_row(
    keyring: KeyRing, client: AssignedClient | None, question: RenewalQuestion | None, at: datetime
) -> RenewalRow:
    state = None if question is None else question.state_at(at)
    name = get_sentence("work.did.hidden")
    if client is not None:
        name = client.open_name(keyring) or views.name_of_profile(None)
    return RenewalRow(
        name=name,
        href=None if client is None else f"{CLIENTS_PATH}/{client.authority.machtiging_id}",
        ends_at=None if client is None else client.authority.ends_at,
        label=get_sentence("work.renew.not_asked") if state is None else STATE_LABELS[state],
        tone="stopped" if state is None else _TONES[state],
        question=question,
    )
