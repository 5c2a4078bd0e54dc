"""Stand-ins of an organisation: who replaces an absent colleague, from when until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.delegation.assignments.acting_employee import describe_login
from machtiging.delegation.stand_ins.creation import create_stand_in
from machtiging.delegation.stand_ins.ending import end_stand_in
from machtiging.delegation.stand_ins.queries import StandInState, StandInView, list_stand_ins
from machtiging.delegation.stand_ins.rules import MAX_STAND_IN_DAYS, StandInRequest
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen
from machtiging.kernel.clock import to_dutch_date
from machtiging.kernel.errors import Conflict, InvalidInput, NotAllowed
from machtiging.message_catalogue import describe_refusal, get_sentence
from machtiging.organisations.rules import EmployeeState
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.organisation.office import Office, open_office
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PATH = "/organisatie/vervangingen"
ABSENT_FIELD, REPLACEMENT_FIELD, FIRST_FIELD, LAST_FIELD = "afwezige", "vervanger", "van", "tot"
StandInIdInPath = Annotated[UUID, Path(alias="vervangingId")]
_DONE_KEYS = {
    "gemaakt": "organisation.stand_ins.made",
    "voorgesteld": "organisation.stand_ins.proposed",
    "gestopt": "organisation.stand_ins.ended",
}
_ALREADY_ENDED = "vervanging_beeindigd"


@dataclass(frozen=True, slots=True)
class StandInLine:
    """A stand-in in words."""

    id: UUID
    absent: str
    replacement: str
    first_day: date
    last_day: date
    runs: bool


@router.get("/organisatie/vervangingen")
async def show_stand_ins(
    request: Request, visitor: Citizen, session: Transaction, gedaan: str | None = None
) -> HTMLResponse:
    """List the stand-ins that run or come, with the form for a new one."""
    services = access_services(request)
    office = await open_office(session, services.keyring, visitor, at=services.clock.now())
    return await _render_list(request, session, office, _make_blank(request), done=gedaan)


@router.post("/organisatie/vervangingen")
async def submit_stand_in(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> Response:
    """Let a colleague stand in. The same form again changes nothing."""
    services, at = access_services(request), access_services(request).clock.now()
    sent = await read_submitted_form(request)
    office = await open_office(session, services.keyring, visitor, at=at)
    stand_in = _read_request(sent, office)
    if stand_in is None:
        return await _render_list(request, session, office, sent, status=400)
    try:
        created = await create_stand_in(session, services.keyring, describe_login(visitor), stand_in, at=at)
    except (Conflict, InvalidInput, NotAllowed) as refusal:  # caught here, so that the journal line is committed
        sent.add_fault(LAST_FIELD if isinstance(refusal, InvalidInput) else ABSENT_FIELD, describe_refusal(refusal))
        status = 403 if isinstance(refusal, NotAllowed) else 409 if isinstance(refusal, Conflict) else 400
        return await _render_list(request, session, office, sent, status=status)
    return RedirectResponse(f"{PATH}?gedaan={'voorgesteld' if created.waiting else 'gemaakt'}", 303)


@router.post("/organisatie/vervangingen/{vervangingId}/stoppen")
async def submit_end(
    request: Request, vervanging_id: StandInIdInPath, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """End a stand-in now. A second press changes nothing. Raises NotFound `vervanging_onbekend`."""
    at = access_services(request).clock.now()
    try:
        await end_stand_in(session, describe_login(visitor), vervanging_id, at=at)
    except Conflict as refusal:  # caught here, so that the journal line is committed
        if refusal.code != _ALREADY_ENDED:
            raise
    return RedirectResponse(f"{PATH}?gedaan=gestopt", 303)


def _make_blank(request: Request) -> SubmittedForm:
    """Make a form that begins today."""
    today = to_dutch_date(access_services(request).clock.now())
    parts = {"dag": today.day, "maand": today.month, "jaar": today.year}
    return make_blank_form(request, **{f"{FIRST_FIELD}_{part}": [str(value)] for part, value in parts.items()})


def _read_request(sent: SubmittedForm, office: Office) -> StandInRequest | None:
    """Read the two colleagues and the two days. None if the form has faults."""
    absent = sent.read_choice(
        ABSENT_FIELD,
        {value for value, _ in _list_absent_options(office)},
        missing=get_sentence("organisation.stand_ins.no_absent"),
    )
    replacement = sent.read_choice(
        REPLACEMENT_FIELD,
        {str(one.id) for one in office.readers},
        missing=get_sentence("organisation.stand_ins.no_replacement"),
    )
    first = sent.read_date(FIRST_FIELD, missing=get_sentence("organisation.stand_ins.no_first_day"))
    last = sent.read_date(LAST_FIELD, missing=get_sentence("organisation.stand_ins.no_last_day"))
    if sent.faults or first is None or last is None:
        return None
    return StandInRequest(UUID(absent), UUID(replacement), first, last)


def _list_absent_options(office: Office) -> list[tuple[str, str]]:
    """List the colleagues who may be absent: all but those who were only invited."""
    return [(str(one.id), one.name) for one in office.employees.values() if one.state is not EmployeeState.INVITED]


async def _render_list(
    request: Request,
    session: AsyncSession,
    office: Office,
    sent: SubmittedForm,
    *,
    done: str | None = None,
    status: int = 200,
) -> HTMLResponse:
    at = access_services(request).clock.now()
    found = await list_stand_ins(session, office.leader.organisation.id, at=at)
    lines = sorted((_describe(view, office) for view in found), key=lambda line: (line.first_day, line.last_day))
    return render_page(
        request,
        "organisation_stand_ins.html",
        status=status,
        office=office,
        sent=sent,
        lines=lines,
        message=get_sentence(_DONE_KEYS[done]) if done in _DONE_KEYS else "",
        absent_options=_list_absent_options(office),
        replacement_options=[(str(one.id), one.name) for one in office.readers],
        max_days=MAX_STAND_IN_DAYS,
    )


def _describe(view: StandInView, office: Office) -> StandInLine:
    return StandInLine(
        id=view.id,
        absent=office.name_employee(view.absent_id),
        replacement=office.name_employee(view.replacement_id),
        first_day=view.first_day,
        last_day=view.last_day,
        runs=view.state is StandInState.RUNS,
    )
