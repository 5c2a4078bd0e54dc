"""Pages of four eyes: what waits for a second person, and when one is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.agencies.rules import Sensitivity
from machtiging.audit.acts import JournalAct
from machtiging.delegation.assignments.acting_employee import describe_login
from machtiging.delegation.assignments.clients import OrganisationClient, load_organisation_clients
from machtiging.delegation.assignments.confirmation import decide_proposals
from machtiging.delegation.assignments.four_eyes_schemas import Besluit
from machtiging.delegation.assignments.insertion import AssignmentKind
from machtiging.delegation.assignments.proposals import MAX_PROPOSALS_PER_PAGE, Proposal, list_proposals
from machtiging.delegation.authority.rules import Authority
from machtiging.dependencies import request_services
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import Conflict, InvalidInput, NotAllowed, NotFound, Refusal
from machtiging.kernel.ids import MachtigingId
from machtiging.message_catalogue import CatalogueLabels, describe_refusal, get_sentence
from machtiging.organisations.employees import load_administrator
from machtiging.organisations.rules import ActingEmployee
from machtiging.organisations.second_person.threshold import (
    ThresholdProposal,
    change_four_eyes,
    decide_proposal,
    find_open_proposal,
    load_threshold,
)
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.organisation.clients import MAX_FIELDS, describe_birth_date
from machtiging.portal.organisation.office import Office, open_office, read_ids
from machtiging.portal.views import name_of_profile
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import PageServices, render_page

router = APIRouter(include_in_schema=False)
PATH = "/organisatie/vier-ogen"
SETTING_PATH = PATH + "/instelling"
DECISION_PATH = SETTING_PATH + "/besluit"
ITEM_FIELD, DECISION_FIELD, THRESHOLD_FIELD, PROPOSAL_FIELD = "voorstel", "besluit", "vanaf", "wijziging"
# The value of the choice for no four eyes.
NOBODY = "niet"
_THRESHOLDS = (NOBODY, *(one.value for one in (Sensitivity.VERTROUWELIJK, Sensitivity.GEVOELIG, Sensitivity.GEWOON)))
_THRESHOLD_LABELS: Mapping[str, str] = CatalogueLabels("organisation.four_eyes.from", _THRESHOLDS)
_KIND_LABELS: Mapping[AssignmentKind, str] = CatalogueLabels("organisation.four_eyes.kind", AssignmentKind)
_DONE_KEYS = {
    "strenger": "organisation.four_eyes.setting_done",
    "voorgesteld": "organisation.four_eyes.setting_proposed",
    Besluit.CONFIRM.value: "organisation.four_eyes.setting_confirmed",
    Besluit.REFUSE.value: "organisation.four_eyes.setting_refused",
}


@dataclass(frozen=True, slots=True)
class ProposalLine:
    """A proposal in the list. `is_mine`: the visitor made it."""

    id: UUID
    name: str
    born: str
    employee: str
    proposer: str
    kind: str
    due_at: datetime
    is_mine: bool


@dataclass(frozen=True, slots=True)
class DecisionResult:
    """The result of a form: the number of decided ones, and why others were not."""

    is_confirmed: bool
    count: int
    refusals: Sequence[str]


@router.get(PATH)
async def show_proposals(
    request: Request,
    visitor: Citizen,
    session: Transaction,
    na: Annotated[UUID | None, Query()] = None,
    gedaan: str | None = None,
) -> HTMLResponse:
    """List what waits for a second person in the visitor's organisation, with the setting."""
    message = get_sentence(_DONE_KEYS[gedaan]) if gedaan in _DONE_KEYS else ""
    return await _render_list(request, session, visitor, make_blank_form(request), after=na, message=message)


@router.post(PATH)
async def submit_decision(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> HTMLResponse:
    """Confirm or refuse the chosen ones, and show what became of each. The same form again changes nothing."""
    services, at = access_services(request), access_services(request).clock.now()
    sent = await read_submitted_form(request, max_fields=MAX_FIELDS)
    await open_office(session, services.keyring, visitor, at=at)
    ids = read_ids(sent.all_values(ITEM_FIELD))
    if not ids:
        sent.add_fault(ITEM_FIELD, get_sentence("organisation.four_eyes.no_choice"))
    choice = sent.read_choice(DECISION_FIELD, {*Besluit}, missing=get_sentence("organisation.four_eyes.no_decision"))
    if sent.faults:
        return await _render_list(request, session, visitor, sent, status=400)
    is_confirmed = choice == Besluit.CONFIRM
    try:
        results = await decide_proposals(
            session,
            services.keyring,
            describe_login(visitor),
            [MachtigingId(one) for one in ids],
            is_confirmed=is_confirmed,
            practice=request_services(request, PageServices).practice,
            at=at,
        )
    except (NotAllowed, InvalidInput) as refusal:  # caught here, so that the journal line is committed
        sent.add_fault(ITEM_FIELD, describe_refusal(refusal))
        return await _render_list(request, session, visitor, sent, status=403)
    refusals = [describe_refusal(one) for one in results if isinstance(one, Refusal)]
    result = DecisionResult(is_confirmed, len(results) - len(refusals), refusals)
    return await _render_list(request, session, visitor, make_blank_form(request), result=result)


@router.get(SETTING_PATH)
async def show_setting(request: Request, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """Ask from which sensitivity an assignment needs a second person."""
    actor = await _load_administrator(request, session, visitor)
    threshold = await load_threshold(session, actor.organisation_id, at=access_services(request).clock.now())
    return _render_setting(request, make_blank_form(request, vanaf=threshold or NOBODY))


@router.post(SETTING_PATH)
async def submit_setting(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> Response:
    """Demand more at once, or propose to demand less. The same form again changes nothing."""
    sent = await read_submitted_form(request)
    actor = await _load_administrator(request, session, visitor)
    missing = get_sentence("organisation.four_eyes.no_threshold")
    choice = sent.read_choice(THRESHOLD_FIELD, set(_THRESHOLDS), missing=missing)
    if sent.faults:
        return _render_setting(request, sent, status=400)
    threshold = None if choice == NOBODY else Sensitivity(choice)
    try:
        proposed = await change_four_eyes(session, actor, threshold, at=access_services(request).clock.now())
    except (Conflict, NotAllowed) as refusal:  # caught here, so that the journal line is committed
        sent.add_fault(THRESHOLD_FIELD, describe_refusal(refusal))
        return _render_setting(request, sent, status=409)
    return RedirectResponse(f"{PATH}?gedaan={'strenger' if proposed is None else 'voorgesteld'}", 303)


@router.post(DECISION_PATH)
async def submit_setting_decision(
    request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Confirm or refuse the proposal of another administrator for fewer four eyes."""
    services, at = access_services(request), access_services(request).clock.now()
    sent = await read_submitted_form(request)
    actor = await _load_administrator(request, session, visitor)
    choice = sent.read_choice(DECISION_FIELD, {*Besluit}, missing=get_sentence("organisation.four_eyes.no_decision"))
    ids = read_ids(sent.all_values(PROPOSAL_FIELD))
    if sent.faults or not ids:
        return RedirectResponse(PATH, 303)
    try:
        await decide_proposal(
            session,
            services.keyring,
            actor,
            ids[0],
            is_confirmed=choice == Besluit.CONFIRM,
            practice=request_services(request, PageServices).practice,
            at=at,
        )
    except (Conflict, NotAllowed, NotFound) as refusal:  # caught here, so that the journal line is committed
        sent.add_fault(PROPOSAL_FIELD, describe_refusal(refusal))
        return await _render_list(request, session, visitor, sent, status=409)
    return RedirectResponse(f"{PATH}?gedaan={choice}", 303)


async def _load_administrator(request: Request, session: AsyncSession, visitor: Visitor) -> ActingEmployee:
    at, kvk = access_services(request).clock.now(), visitor.organisation_kvk
    act = JournalAct.ORGANISATIE_VIER_OGEN
    return await load_administrator(session, act, visitor.person_id, kvk, visitor.assurance, at=at)


def _render_setting(request: Request, sent: SubmittedForm, *, status: int = 200) -> HTMLResponse:
    options = [(value, _THRESHOLD_LABELS[value]) for value in _THRESHOLDS]
    return render_page(request, "organisation_four_eyes_setting.html", status=status, sent=sent, options=options)


async def _render_list(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    sent: SubmittedForm,
    *,
    after: UUID | None = None,
    message: str = "",
    result: DecisionResult | None = None,
    status: int = 200,
) -> HTMLResponse:
    keyring, at = access_services(request).keyring, access_services(request).clock.now()
    office = await open_office(session, keyring, visitor, at=at, with_teams=True)
    organisation_id = office.leader.organisation.id
    found = await list_proposals(session, organisation_id, at=at, after=after)
    shown = found[:MAX_PROPOSALS_PER_PAGE]
    roots = {one.authority.root.id for one in shown}
    clients = await load_organisation_clients(session, keyring, organisation_id, roots, at=at)
    is_full = len(found) > MAX_PROPOSALS_PER_PAGE
    open_one = await find_open_proposal(session, organisation_id, at=at)
    return render_page(
        request,
        "organisation_four_eyes.html",
        status=status,
        sent=sent,
        office=office,
        message=message,
        result=result,
        lines=[_describe(one, clients, office) for one in shown],
        newest=PATH if after is not None else "",
        older=f"{PATH}?na={shown[-1].authority.machtiging_id}" if is_full else "",
        setting=_THRESHOLD_LABELS[await load_threshold(session, organisation_id, at=at) or NOBODY],
        change=None if open_one is None else _describe_change(open_one, office),
    )


def _describe(proposal: Proposal, clients: Mapping[UUID, OrganisationClient], office: Office) -> ProposalLine:
    client = clients.get(proposal.authority.root.id)
    profile = None if client is None else client.profile
    return ProposalLine(
        id=proposal.authority.machtiging_id,
        name=name_of_profile(profile),
        born=describe_birth_date(profile),
        employee=_describe_reader(proposal.authority, office),
        proposer=office.name_employee(proposal.proposed_by),
        kind=_KIND_LABELS[AssignmentKind(proposal.kind)],
        due_at=proposal.expires_at,
        is_mine=proposal.proposed_by == office.leader.employee.id,
    )


def _describe_reader(authority: Authority, office: Office) -> str:
    """Describe who would read; of a team also who is in it now."""
    name = office.name_holder(authority.leaf.employee_id, authority.team_id)
    if authority.leaf.team_id is None:
        return name
    members = next((one.member_ids for one in office.teams if one.id == authority.leaf.team_id), frozenset())
    return f"{name}: {', '.join(office.name_employees(members))}" if members else name


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """A proposal for fewer four eyes, in words."""

    id: UUID
    setting: str
    proposer: str
    due_at: datetime
    is_mine: bool


def _describe_change(proposal: ThresholdProposal, office: Office) -> ChangeLine:
    return ChangeLine(
        id=proposal.id,
        setting=_THRESHOLD_LABELS[proposal.four_eyes_from or NOBODY],
        proposer=office.name_employee(proposal.proposed_by),
        due_at=proposal.expires_at,
        is_mine=proposal.proposed_by == office.leader.employee.id,
    )
