"""Invitations of employees by a link: the form, send again, withdraw. The list stands with the employees."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.audit.acts import JournalAct
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.dependencies import identity_services
from machtiging.identity.session import Citizen
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Conflict, InvalidInput, NotAllowed, TooMany
from machtiging.message_catalogue import CatalogueLabels, describe_refusal, get_sentence
from machtiging.organisations.invitations.administration import (
    invite_by_link,
    resend_invitation,
    withdraw_invitation,
)
from machtiging.organisations.invitations.rules import (
    INVITATION_LEVELS,
    MAX_EMAIL_LENGTH,
    LinkInvitation,
    list_levels,
)
from machtiging.organisations.invitations.schemas import parse_email
from machtiging.organisations.queries import load_organisation_view
from machtiging.organisations.rules import MAX_EMPLOYEE_NAME_LENGTH, ActingEmployee, EmployeeRole, find_work_level
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.organisation.employees import (
    EMPLOYEES_PATH,
    NAME_FIELD,
    ROLE_FIELD,
    list_role_options,
    load_acting_administrator,
    read_roles,
)
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
FORM_PATH = "/organisatie/uitnodigingen/nieuw"
EMAIL_FIELD, LEVEL_FIELD = "emailadres", "niveau"
InvitationIdInPath = Annotated[UUID, Path(alias="uitnodigingId")]
LEVEL_LABELS: Mapping[Assurance, str] = CatalogueLabels("organisation.level", INVITATION_LEVELS)
# The field of the form to which a refusal belongs; else the address.
_FIELD_OF_CODE = {"naam_ongeldig": NAME_FIELD, "niveau_niet_te_vragen": LEVEL_FIELD}
# A form that says an act was done already is answered as the first time.
_DONE_ALREADY = "uitnodiging_ingetrokken"


@router.get(FORM_PATH)
async def show_link_form(request: Request, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """Ask for the address, the name, the roles and the level of a new employee."""
    at = identity_services(request).clock.now()
    actor = await load_acting_administrator(session, JournalAct.MEDEWERKER_LIJST, visitor, at)
    blank = make_blank_form(request, rol=[EmployeeRole.CARE_WORKER.value], niveau=Assurance.SUBSTANTIAL.value)
    return await _render_form(request, session, actor, blank)


@router.post(FORM_PATH)
async def submit_link_form(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> Response:
    """Invite somebody by e-mail. The same form again is told kindly."""
    services, at = identity_services(request), identity_services(request).clock.now()
    sent = await read_submitted_form(request)
    actor = await load_acting_administrator(session, JournalAct.MEDEWERKER_UITGENODIGD, visitor, at)
    invitation = _parse_invitation(sent)
    if invitation is None:
        return await _render_form(request, session, actor, sent, status=400)
    try:
        await invite_by_link(session, services.keyring, actor, invitation, at=at)
    except (
        Conflict,
        NotAllowed,
        InvalidInput,
        TooMany,
    ) as refusal:  # caught here, so that the journal line is committed
        sent.add_fault(_FIELD_OF_CODE.get(refusal.code, EMAIL_FIELD), describe_refusal(refusal))
        status = 400 if isinstance(refusal, InvalidInput) else 429 if isinstance(refusal, TooMany) else 409
        return await _render_form(request, session, actor, sent, status=status)
    return RedirectResponse(f"{EMPLOYEES_PATH}?gedaan=verstuurd", 303)


@router.post("/organisatie/uitnodigingen/{uitnodigingId}/opnieuw")
async def submit_resend(
    request: Request, uitnodiging_id: InvitationIdInPath, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Send a new link. Raises NotFound `uitnodiging_onbekend`."""
    services, at = identity_services(request), identity_services(request).clock.now()
    actor = await load_acting_administrator(session, JournalAct.MEDEWERKER_UITGENODIGD, visitor, at)
    resending = resend_invitation(session, services.keyring, actor, uitnodiging_id, at=at)
    return await _act(request, resending, "verstuurd")


@router.post("/organisatie/uitnodigingen/{uitnodigingId}/intrekken")
async def submit_withdrawal(
    request: Request, uitnodiging_id: InvitationIdInPath, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Withdraw an invitation. A second press changes nothing. Raises NotFound `uitnodiging_onbekend`."""
    at = identity_services(request).clock.now()
    actor = await load_acting_administrator(session, JournalAct.MEDEWERKER_UITNODIGING_INGETROKKEN, visitor, at)
    return await _act(request, withdraw_invitation(session, actor, uitnodiging_id, at=at), "ingetrokken")


async def _act(request: Request, doing: Awaitable[None], done: str) -> Response:
    try:
        await doing
    except (Conflict, NotAllowed) as refusal:  # caught here, so that the journal line is committed
        if (done, refusal.code) != ("ingetrokken", _DONE_ALREADY):
            status = 409 if isinstance(refusal, Conflict) else 403
            return render_page(
                request, "organisation_link_refused.html", status=status, reason=describe_refusal(refusal)
            )
    return RedirectResponse(f"{EMPLOYEES_PATH}?gedaan={done}", 303)


def _parse_invitation(sent: SubmittedForm) -> LinkInvitation | None:
    """Parse the form; None with all faults noted."""
    email = sent.first_value(EMAIL_FIELD)
    if not email:
        sent.add_fault(EMAIL_FIELD, get_sentence("organisation.link.no_email"))
    else:
        try:
            email = parse_email(email)
        except InvalidInput as refusal:
            sent.add_fault(EMAIL_FIELD, describe_refusal(refusal))
    name = sent.read_text(
        NAME_FIELD, max_length=MAX_EMPLOYEE_NAME_LENGTH, missing=get_sentence("organisation.invite.no_name")
    )
    roles = read_roles(sent)
    level = sent.read_choice(LEVEL_FIELD, INVITATION_LEVELS, missing=get_sentence("organisation.link.no_level"))
    return None if sent.faults else LinkInvitation(email, name, roles, Assurance(level))


async def _render_form(
    request: Request, session: AsyncSession, actor: ActingEmployee, sent: SubmittedForm, *, status: int = 200
) -> HTMLResponse:
    at = identity_services(request).clock.now()
    view = await load_organisation_view(session, actor.organisation_id, at=at)
    levels = list_levels(find_work_level(view.ceiling.minimum_level))
    return render_page(
        request,
        "organisation_link.html",
        status=status,
        sent=sent,
        role_options=list_role_options(),
        level_options=[(level.value, LEVEL_LABELS[level]) for level in levels],
        max_name=MAX_EMPLOYEE_NAME_LENGTH,
        max_email=MAX_EMAIL_LENGTH,
        role_field=ROLE_FIELD,
    )
