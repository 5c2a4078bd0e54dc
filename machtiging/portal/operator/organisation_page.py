"""`/beheer/organisaties/{id}`: one organisation, its recognitions, and the decisions about it.

Every status is proposed by one operator and confirmed by another person.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.dependencies import request_services
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.dependencies import identity_services
from machtiging.identity.rules import OPERATOR_ROLE
from machtiging.identity.session import Auditor, Operator, Visitor
from machtiging.kernel.errors import Conflict, InvalidInput, NotAllowed, NotFound, Refusal
from machtiging.message_catalogue import CatalogueLabels, describe_refusal, get_sentence
from machtiging.organisations.employees import invite_employee
from machtiging.organisations.queries import OrganisationView, load_organisation_view, load_present_employees
from machtiging.organisations.recognition import confirm_recognition, drop_proposal, propose_recognition
from machtiging.organisations.register import list_recognitions
from machtiging.organisations.rules import (
    ActingOperator,
    EmployeeInvitation,
    EmployeeRole,
    EmployeeState,
    RecognitionProposal,
    RecognitionStatus,
    may_follow,
)
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.operator.register_page import LEVEL_LABELS, SENSITIVITY_LABELS, STATUS_LABELS, describe_row
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import PageServices, render_page

router = APIRouter(include_in_schema=False)
PATH = "/beheer/organisaties/{organisatie_id}"


class OperatorDone(StrEnum):
    """The act of an operator, in the address of the page after it."""

    REGISTERED = "geregistreerd"
    PROPOSED = "voorgesteld"
    CONFIRMED = "bevestigd"
    DROPPED = "vervallen"
    INVITED = "uitgenodigd"
    NUMBERED = "genummerd"


DONE_SENTENCES: Mapping[OperatorDone, str] = CatalogueLabels("operator.done", OperatorDone)
# The status that a button proposes: a verb, and not the name of the status.
PROPOSE_LABELS: Mapping[RecognitionStatus, str] = CatalogueLabels(
    "operator.propose",
    (
        RecognitionStatus.RECOGNISED,
        RecognitionStatus.REFUSED,
        RecognitionStatus.SUSPENDED,
        RecognitionStatus.WITHDRAWN,
    ),
)
EFFECT_SENTENCES: Mapping[RecognitionStatus, str] = CatalogueLabels("operator.effect", tuple(PROPOSE_LABELS))


def list_next_statuses(view: OrganisationView) -> list[RecognitionStatus]:
    """Return the statuses that may be proposed now. None while a proposal is open."""
    if view.proposal is not None:
        return []
    return [status for status in PROPOSE_LABELS if may_follow(view.status, status)]


@router.get(PATH)
async def show_organisation(
    request: Request, organisatie_id: UUID, visitor: Auditor, session: Transaction, gedaan: str | None = None
) -> HTMLResponse:
    """Show one organisation. Raises NotFound `organisatie_onbekend`."""
    message = DONE_SENTENCES[OperatorDone(gedaan)] if gedaan in set(OperatorDone) else None
    return await _render_organisation(request, session, visitor, organisatie_id, message=message)


@router.get(PATH + "/voorstel")
async def show_proposal_form(
    request: Request,
    organisatie_id: UUID,
    _visitor: Operator,
    session: Transaction,
    status: Annotated[RecognitionStatus, Query()],
) -> HTMLResponse:
    """Ask for the ground of a proposal. Says what it will do."""
    view = await load_organisation_view(session, organisatie_id, at=access_services(request).clock.now())
    return _render_proposal(request, view, status, make_blank_form(request))


@router.post(PATH + "/voorstel")
async def submit_proposal(
    request: Request, organisatie_id: UUID, visitor: Operator, _: CsrfProtected, session: Transaction
) -> Response:
    """Propose a status. Nothing changes until another operator confirms it."""
    at, sent = access_services(request).clock.now(), await read_submitted_form(request)
    status = sent.read_choice("status", list(PROPOSE_LABELS), missing=get_sentence("operator.propose.fault_status"))
    ground = sent.read_text("grond", max_length=200, missing=get_sentence("operator.propose.fault_ground"))
    reference = " ".join(sent.first_value("besluitkenmerk").split())
    view = await load_organisation_view(session, organisatie_id, at=at)
    proposal = None
    if not sent.faults:
        try:
            proposal = RecognitionProposal(RecognitionStatus(status), ground, reference)
        except InvalidInput as fault:
            sent.add_fault("besluitkenmerk", describe_refusal(fault))
    if proposal is None:
        chosen = RecognitionStatus(status) if status in set(PROPOSE_LABELS) else RecognitionStatus.RECOGNISED
        return _render_proposal(request, view, chosen, sent, code=400)

    async def propose() -> None:
        await propose_recognition(session, ActingOperator(visitor.person_id), organisatie_id, proposal, at=at)

    return await _act(request, session, visitor, organisatie_id, propose, OperatorDone.PROPOSED)


@router.post(PATH + "/bevestigen")
async def submit_confirmation(
    request: Request, organisatie_id: UUID, visitor: Operator, _: CsrfProtected, session: Transaction
) -> Response:
    """Confirm the proposal of another operator. It works on the next request of every employee."""
    services, sent = access_services(request), await read_submitted_form(request)
    number = _read_number(sent)

    async def confirm() -> None:
        operator = ActingOperator(visitor.person_id)
        practice, at = request_services(request, PageServices).practice, services.clock.now()
        of = (operator, organisatie_id, number)
        await confirm_recognition(session, services.keyring, *of, practice=practice, at=at)

    return await _act(request, session, visitor, organisatie_id, confirm, OperatorDone.CONFIRMED)


@router.post(PATH + "/vervallen")
async def submit_drop(
    request: Request, organisatie_id: UUID, visitor: Operator, _: CsrfProtected, session: Transaction
) -> Response:
    """Drop an open proposal, also one's own."""
    at, number = access_services(request).clock.now(), _read_number(await read_submitted_form(request))

    async def drop() -> None:
        await drop_proposal(session, ActingOperator(visitor.person_id), organisatie_id, number, at=at)

    return await _act(request, session, visitor, organisatie_id, drop, OperatorDone.DROPPED)


@router.get(PATH + "/eerste-beheerder")
async def show_invitation_form(
    request: Request, organisatie_id: UUID, _visitor: Operator, session: Transaction
) -> HTMLResponse:
    """Ask for the first administrator of the organisation."""
    view = await load_organisation_view(session, organisatie_id, at=access_services(request).clock.now())
    return render_page(request, "operator_invite.html", view=view, sent=make_blank_form(request))


@router.post(PATH + "/eerste-beheerder")
async def submit_invitation(
    request: Request, organisatie_id: UUID, visitor: Operator, _: CsrfProtected, session: Transaction
) -> Response:
    """Invite the first administrator, who invites all others."""
    services, sent = access_services(request), await read_submitted_form(request)
    at = services.clock.now()
    name = sent.read_text("naam", max_length=200, missing=get_sentence("operator.invite.fault_name"))
    subject = sent.read_text("inlogkenmerk", max_length=255, missing=get_sentence("operator.invite.fault_account"))
    view = await load_organisation_view(session, organisatie_id, at=at)
    if sent.faults:
        return render_page(request, "operator_invite.html", status=400, view=view, sent=sent)
    broker = identity_services(request).broker.issuer
    invitation = EmployeeInvitation(broker, subject, name, frozenset({EmployeeRole.ADMINISTRATOR}))

    async def invite() -> None:
        operator = ActingOperator(visitor.person_id)
        await invite_employee(session, services.keyring, operator, organisatie_id, invitation, at=at)

    return await _act(request, session, visitor, organisatie_id, invite, OperatorDone.INVITED)


def _read_number(sent: SubmittedForm) -> int:
    """Read the number of a proposal; 0, which no proposal has, if it is none."""
    text = sent.first_value("nummer")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 0


async def _act(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    organisation_id: UUID,
    act: Callable[[], Awaitable[None]],
    done: OperatorDone,
) -> Response:
    """Do the act, and show its refusal on the page of the organisation. Raises NotFound `organisatie_onbekend`."""
    try:
        await act()
    except (Conflict, NotAllowed, NotFound) as refusal:  # caught here, so that the journal line is committed
        if refusal.code == "organisatie_onbekend":
            raise
        return await _render_organisation(request, session, visitor, organisation_id, refusal=refusal)
    return RedirectResponse(f"/beheer/organisaties/{organisation_id}?gedaan={done.value}", 303)


def _render_proposal(
    request: Request, view: OrganisationView, status: RecognitionStatus, sent: SubmittedForm, *, code: int = 200
) -> HTMLResponse:
    if status not in list_next_statuses(view):
        return render_page(request, "operator_cannot.html", status=409, view=view)
    return render_page(
        request,
        "operator_propose.html",
        status=code,
        view=view,
        sent=sent,
        proposed=status,
        label=PROPOSE_LABELS[status],
        effect=EFFECT_SENTENCES[status],
    )


async def _render_organisation(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    organisation_id: UUID,
    *,
    message: str | None = None,
    refusal: Refusal | None = None,
) -> HTMLResponse:
    at = access_services(request).clock.now()
    view = await load_organisation_view(session, organisation_id, at=at)
    employees = await load_present_employees(session, organisation_id, at=at)
    active = [row for row in employees if row.state == EmployeeState.ACTIVE.value]
    can_decide = OPERATOR_ROLE in visitor.roles
    return render_page(
        request,
        "operator_organisation.html",
        status=200 if refusal is None else 409 if isinstance(refusal, Conflict) else 403,
        row=describe_row(view),
        view=view,
        message=message,
        note=None if refusal is None else describe_refusal(refusal),
        recognitions=await list_recognitions(session, organisation_id),
        status_labels=STATUS_LABELS,
        sensitivity=SENSITIVITY_LABELS[view.ceiling.sensitivity],
        level=LEVEL_LABELS[view.ceiling.minimum_level],
        employees=len(active),
        administrators=sum(EmployeeRole.ADMINISTRATOR.value in row.roles for row in employees),
        choices=[(status.value, PROPOSE_LABELS[status]) for status in list_next_statuses(view)] if can_decide else [],
        can_decide=can_decide,
        is_own_proposal=view.proposal is not None and view.proposal.proposed_by == visitor.person_id,
    )
