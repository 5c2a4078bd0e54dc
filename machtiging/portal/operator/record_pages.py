"""`/beheer/dossiers`: ask for a record, confirm a colleague's request, read the record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.access.oversight.record_opening import (
    ActingOverseer,
    RecordRequest,
    confirm_record,
    list_openings,
    open_record,
    request_record,
)
from machtiging.access.oversight.rules import OpeningState, OversightRole, RecordPurpose, normalise_case_number
from machtiging.audit.access_history.acts_for_others import count_acts_for_others
from machtiging.audit.access_history.line_groups import load_line_groups
from machtiging.audit.acts import JournalOutcome
from machtiging.delegation.oversight.person_record import list_recorded_machtigingen
from machtiging.delegation.rules import MachtigingState
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Overseer, Visitor
from machtiging.kernel.bsn import Bsn, parse_bsn
from machtiging.kernel.clock import end_of_day, to_dutch_date
from machtiging.kernel.errors import Conflict, InvalidInput, NotAllowed, NotFound, Refusal
from machtiging.message_catalogue import CatalogueLabels, describe_refusal, get_sentence
from machtiging.portal.access_history.filter import HistoryPosition
from machtiging.portal.forms import EMPTY_IS_NONE, SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.operator.figures_pages import CHANNEL_LABELS
from machtiging.portal.operator.policy_pages import CAPACITY_LABELS
from machtiging.portal.organisation.office import read_ids
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PATH = "/beheer/dossiers"
PAGE_SIZE = 50
_REFERENCE_FIELD = "verwijzing"
# What a person did for others is counted this far back.
_DAYS_FOR_OTHERS = 90
PURPOSE_LABELS: Mapping[RecordPurpose, str] = CatalogueLabels("operator.record.purpose", RecordPurpose)
ROLE_LABELS: Mapping[OversightRole, str] = CatalogueLabels("operator.record.role", OversightRole)
OPENING_LABELS: Mapping[OpeningState, str] = CatalogueLabels("operator.record.state", OpeningState)
STORED_STATE_LABELS: Mapping[MachtigingState, str] = CatalogueLabels("operator.record.machtiging", MachtigingState)
OUTCOME_LABELS: Mapping[JournalOutcome, str] = CatalogueLabels("operator.record.outcome", JournalOutcome)
OPENING_TONES: Mapping[OpeningState, str] = {
    OpeningState.WAITING: "waiting",
    OpeningState.LAPSED: "stopped",
    OpeningState.OPEN: "good",
    OpeningState.CLOSED: "stopped",
}
_DONE_SENTENCES = {"gevraagd": "operator.record.done_asked", "bevestigd": "operator.record.done_confirmed"}


@router.get(PATH)
async def show_openings(
    request: Request, visitor: Overseer, session: Transaction, gedaan: str | None = None
) -> HTMLResponse:
    """List the requests that wait, and those that may be read. No request names its person."""
    message = get_sentence(_DONE_SENTENCES[gedaan]) if gedaan in _DONE_SENTENCES else None
    return await _render_openings(request, session, visitor, message=message)


@router.get(PATH + "/nieuw")
async def show_record_request(
    request: Request, _visitor: Overseer, verwijzing: Annotated[UUID | None, EMPTY_IS_NONE] = None
) -> HTMLResponse:
    """Ask for the BSN, the purpose and the case number. A row of unusual use needs only the last."""
    reference = "" if verwijzing is None else str(verwijzing)
    return _render_request(request, make_blank_form(request, **{_REFERENCE_FIELD: reference}))


@router.post(PATH + "/nieuw")
async def submit_record_request(
    request: Request, visitor: Overseer, _: CsrfProtected, session: Transaction
) -> Response:
    """Ask for a record. The answer is the same whether or not somebody has the BSN."""
    services, sent = access_services(request), await read_submitted_form(request)
    parsed = _parse_request(sent)
    if parsed is None:
        return _render_request(request, sent, status=400)
    subject, wanted = parsed
    try:
        await request_record(session, services.keyring, _overseer(visitor), subject, wanted, at=services.clock.now())
    except Conflict as refusal:  # caught here, so that the journal line is committed
        sent.add_fault("bsn" if isinstance(subject, Bsn) else "zaaknummer", describe_refusal(refusal))
        return _render_request(request, sent, status=409)
    return RedirectResponse(f"{PATH}?gedaan=gevraagd", 303)


@router.post(PATH + "/{dossier_id}/bevestigen")
async def submit_record_confirmation(
    request: Request, dossier_id: UUID, visitor: Overseer, _: CsrfProtected, session: Transaction
) -> Response:
    """Confirm the request of a colleague. The person is told now."""
    services = access_services(request)
    try:
        await confirm_record(session, services.keyring, _overseer(visitor), dossier_id, at=services.clock.now())
    except (Conflict, NotAllowed, NotFound) as refusal:  # caught here, so that the journal line is committed
        return await _render_openings(request, session, visitor, refusal=refusal)
    return RedirectResponse(f"{PATH}?gedaan=bevestigd", 303)


@router.get(PATH + "/{dossier_id}/lezen")
async def show_record(
    request: Request,
    dossier_id: UUID,
    visitor: Overseer,
    session: Transaction,
    position: Annotated[HistoryPosition, Query()],
) -> HTMLResponse:
    """Show the journal lines and machtigingen of the person, without letters. Each view is journalled."""
    services = access_services(request)
    try:
        person_id, opening = await open_record(session, _overseer(visitor), dossier_id, at=services.clock.now())
    except (Conflict, NotFound) as refusal:  # caught here, so that the journal line is committed
        return await _render_openings(request, session, visitor, refusal=refusal)
    at = services.clock.now()
    period = at - timedelta(days=_DAYS_FOR_OTHERS), end_of_day(to_dutch_date(at))
    page = await load_line_groups(session, person_id, limit=PAGE_SIZE, before=position.cursor)
    place = f"{PATH}/{dossier_id}/lezen"
    return render_page(
        request,
        "operator_record.html",
        opening=opening,
        purpose=PURPOSE_LABELS[opening.purpose],
        groups=page.groups,
        person_id=person_id,
        outcomes=OUTCOME_LABELS,
        days_of_acts=await count_acts_for_others(session, person_id, period),
        days=_DAYS_FOR_OTHERS,
        machtigingen=await list_recorded_machtigingen(session, person_id),
        capacities=CAPACITY_LABELS,
        channels=CHANNEL_LABELS,
        states=STORED_STATE_LABELS,
        newest=place if position.cursor else "",
        older=position.make_older_link(place, page.older) if page.older else "",
    )


def _overseer(visitor: Visitor) -> ActingOverseer:
    """Return the visitor in the first of the two roles that the visitor has."""
    return ActingOverseer(visitor.person_id, next(role for role in OversightRole if role.value in visitor.roles))


def _find_reference(sent: SubmittedForm) -> UUID | None:
    """Read the reference of a row of unusual use. None in a form with a BSN."""
    return next(iter(read_ids([sent.first_value(_REFERENCE_FIELD)])), None)


def _parse_request(sent: SubmittedForm) -> tuple[Bsn | UUID, RecordRequest] | None:
    """Parse the form; None with all faults noted. A request with a reference has one purpose."""
    subject: Bsn | UUID | None = _find_reference(sent)
    purpose, case_number = RecordPurpose.UNUSUAL_USE.value, ""
    if subject is None:
        try:
            subject = parse_bsn(sent.first_value("bsn"))
        except InvalidInput as fault:
            sent.add_fault("bsn", describe_refusal(fault))
        purpose = sent.read_choice("doel", list(RecordPurpose), missing=get_sentence("operator.record.fault_purpose"))
    try:
        case_number = normalise_case_number(sent.first_value("zaaknummer"))
    except InvalidInput as fault:
        sent.add_fault("zaaknummer", describe_refusal(fault))
    if sent.faults or subject is None:
        return None
    return subject, RecordRequest(RecordPurpose(purpose), case_number)


def _render_request(request: Request, sent: SubmittedForm, *, status: int = 200) -> HTMLResponse:
    purposes = [(purpose.value, label) for purpose, label in PURPOSE_LABELS.items()]
    values = {"sent": sent, "purposes": purposes, "reference": _find_reference(sent)}
    return render_page(request, "operator_record_request.html", status=status, **values)


async def _render_openings(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    *,
    message: str | None = None,
    refusal: Refusal | None = None,
) -> HTMLResponse:
    openings = await list_openings(session, _overseer(visitor), at=access_services(request).clock.now())
    status = 200 if refusal is None else {Conflict: 409, NotAllowed: 403}.get(type(refusal), 404)
    return render_page(
        request,
        "operator_records.html",
        status=status,
        openings=openings,
        message=message,
        note=None if refusal is None else describe_refusal(refusal),
        purposes=PURPOSE_LABELS,
        roles=ROLE_LABELS,
        states=OPENING_LABELS,
        tones=OPENING_TONES,
    )
