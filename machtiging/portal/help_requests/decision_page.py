"""The citizen answers a help request: the code, then one page with three answers."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.actor import build_citizen_actor
from machtiging.access.dependencies import access_services
from machtiging.access.listing_preview import preview_listing
from machtiging.agencies.queries import load_active_agencies
from machtiging.berichtenbox.letter_preview import preview_letters
from machtiging.delegation.help_requests.decision import (
    agree_to_help_request,
    refuse_help_request,
    require_asking_employee,
)
from machtiging.delegation.help_requests.opening import open_help_request
from machtiging.delegation.help_requests.queries import list_waiting_for_citizen, load_opened_request
from machtiging.delegation.help_requests.rules import HelpRequest, HelpRequestState, cut_request, narrow_terms
from machtiging.delegation.offer import Giver
from machtiging.delegation.rules import EMERGENCY_STOP
from machtiging.delegation.suspension.emergency_stop import find_emergency_stop
from machtiging.delegation.terms import MachtigingTerms
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.clock import AMSTERDAM, add_years, to_dutch_date
from machtiging.kernel.errors import Conflict, InvalidInput, LevelTooLow, NotAllowed, NotFound, TooMany
from machtiging.message_catalogue import describe_refusal, get_sentence
from machtiging.organisations.queries import load_organisation_names
from machtiging.organisations.rules import Ceiling
from machtiging.portal import views
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.giving.coverage import Coverage, find_coverage
from machtiging.portal.giving.draft_pages import render_work_login
from machtiging.portal.help_requests.list_page import CODE_FORM, STATE_LABELS, STATE_TONES, describe_request
from machtiging.portal.help_requests.narrowing import has_narrowing, list_presets, list_takings, read_narrowing
from machtiging.portal.labels import CompletedAction
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
AGREE, AGREE_TO_LESS, REFUSE = "ja", "minder", "nee"
_MAX_CODE_LENGTH = 200


class WaitingRequest(NamedTuple):
    """A request that waits: its page, and the name of the requester by login."""

    href: str
    name: str


async def load_waiting_requests(
    session: AsyncSession, visitor: Visitor, people: views.PersonNames, *, at: datetime
) -> list[WaitingRequest]:
    """Load the requests that the visitor opened and did not answer."""
    waiting = await list_waiting_for_citizen(session, visitor.person_id, at=at)
    ids = {one.organisation_id for one in waiting if one.organisation_id is not None}
    organisations = await load_organisation_names(session, ids)
    found = []
    for one in waiting:
        organisation = None if one.organisation_id is None else organisations.get(one.organisation_id)
        name = name_requester(await people.load_name(one.requester_id), organisation)
        found.append(WaitingRequest(f"{CODE_FORM}/{one.id}", name))
    return found


def name_requester(name: str, organisation: str | None) -> str:
    """Return the name of a requester, with the organisation for which the request is."""
    return name if organisation is None else get_sentence("requests.name_of", name=name, organisation=organisation)


@router.get(CODE_FORM)
async def show_code_form(request: Request, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """Show the form for the code, and the requests that wait for an answer."""
    return await _render_code_form(request, session, visitor, make_blank_form(request))


@router.post(CODE_FORM)
async def submit_code(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> Response:
    """Open the request of this code. A wrong try is counted."""
    if visitor.is_work_login:
        return render_work_login(request)
    sent, services = await read_submitted_form(request), access_services(request)
    code = sent.first_value("code")
    if not code or len(code) > _MAX_CODE_LENGTH:
        missing = get_sentence("requests.code.missing" if not code else "helping.code.too_long")
        sent.add_fault("code", missing)
        return await _render_code_form(request, session, visitor, sent, status=400)
    citizen = Giver(visitor.person_id, visitor.assurance)
    try:
        request_id = await open_help_request(session, services.keyring, citizen, code, at=services.clock.now())
    except (InvalidInput, NotAllowed, TooMany) as refusal:  # caught here, so that the try stays counted
        sent.add_fault("code", describe_refusal(refusal))
        status = 400 if isinstance(refusal, InvalidInput) else 429 if isinstance(refusal, TooMany) else 403
        return await _render_code_form(request, session, visitor, sent, status=status)
    return RedirectResponse(f"{CODE_FORM}/{request_id}", 303)


async def _render_code_form(
    request: Request, session: AsyncSession, visitor: Visitor, sent: SubmittedForm, *, status: int = 200
) -> HTMLResponse:
    if visitor.is_work_login:
        return render_work_login(request)
    services = access_services(request)
    people = views.PersonNames(session, services.keyring)
    waiting = await load_waiting_requests(session, visitor, people, at=services.clock.now())
    return render_page(request, "help_request_code.html", status=status, sent=sent, waiting=waiting, action=CODE_FORM)


@router.get(CODE_FORM + "/{vraag_id}")
async def show_decision(request: Request, vraag_id: UUID, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """Show the request with its three answers, or what became of it. Raises NotFound `hulpvraag_onbekend`."""
    if visitor.is_work_login:
        return render_work_login(request)
    found = await _load_request(request, session, visitor, vraag_id)
    return await _render_decision(request, session, visitor, found, make_blank_form(request, minder=""))


@router.post(CODE_FORM + "/{vraag_id}")
async def submit_decision(
    request: Request, vraag_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Agree, agree to less, or refuse. A late or repeated answer shows what became of the request."""
    if visitor.is_work_login:
        return render_work_login(request)
    sent = await read_submitted_form(request)
    found = await _load_request(request, session, visitor, vraag_id)
    answer = sent.read_choice(
        "besluit", {AGREE, AGREE_TO_LESS, REFUSE}, missing=get_sentence("requests.decide.missing")
    )
    if answer == AGREE and has_narrowing(sent):
        sent.add_fault("minder", get_sentence("requests.decide.all_and_less"))
    if sent.faults:
        return await _render_decision(request, session, visitor, found, sent, status=400)
    try:
        return await _apply_answer(request, session, visitor, found, answer, sent)
    except InvalidInput as refusal:  # caught here, so that the journal line is committed
        sent.add_fault("minder", describe_refusal(refusal))
        return await _render_decision(request, session, visitor, found, sent, status=400)
    except (Conflict, NotAllowed) as refusal:
        if isinstance(refusal, LevelTooLow) or (found.organisation_id is None and isinstance(refusal, NotAllowed)):
            raise
        return await _show_outcome(request, session, visitor, vraag_id, answer, sent, refusal)


async def _apply_answer(
    request: Request, session: AsyncSession, visitor: Visitor, found: HelpRequest, answer: str, sent: SubmittedForm
) -> Response:
    services = access_services(request)
    at = services.clock.now()
    if answer == REFUSE:
        await refuse_help_request(session, services.keyring, visitor.person_id, found.id, at=at)
        return RedirectResponse(f"{CODE_FORM}/{found.id}", 303)
    less = None
    if answer == AGREE_TO_LESS:
        less = read_narrowing(sent, found, to_dutch_date(at))
        if less is None:
            return await _render_decision(request, session, visitor, found, sent, status=400)
    citizen = Giver(visitor.person_id, visitor.assurance)

    def choose_terms(terms: MachtigingTerms) -> MachtigingTerms:
        return terms if less is None else narrow_terms(terms, less.narrowing, less.themes)

    machtiging = await agree_to_help_request(
        session, services.keyring, services.delegation_limits, citizen, found.id, choose_terms, at=at
    )
    return _redirect_to_machtiging(machtiging.id)


async def _show_outcome(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    vraag_id: UUID,
    answer: str,
    sent: SubmittedForm,
    refusal: Conflict | NotAllowed,
) -> Response:
    """Show what became of the request. A second press on yes leads to the machtiging of the first."""
    found = await _load_request(request, session, visitor, vraag_id)
    if found.machtiging_id is not None and answer != REFUSE:
        return _redirect_to_machtiging(found.machtiging_id)
    problem = "" if refusal.code == EMERGENCY_STOP else describe_refusal(refusal)
    status = 409 if isinstance(refusal, Conflict) else 403
    return await _render_decision(request, session, visitor, found, sent, problem=problem, status=status)


def _redirect_to_machtiging(machtiging_id: UUID) -> RedirectResponse:
    return RedirectResponse(f"/helpers/{machtiging_id}?gedaan={CompletedAction.AGREED}", 303)


async def _load_request(request: Request, session: AsyncSession, visitor: Visitor, vraag_id: UUID) -> HelpRequest:
    found = await load_opened_request(session, access_services(request).keyring, vraag_id, visitor.person_id)
    if found is None:
        raise NotFound("hulpvraag_onbekend")
    return found


async def _render_decision(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    found: HelpRequest,
    sent: SubmittedForm,
    *,
    problem: str = "",
    status: int = 200,
) -> HTMLResponse:
    services = access_services(request)
    at = services.clock.now()
    state = found.state_at(at)
    name = await views.PersonNames(session, services.keyring).load_name(found.requester_id)
    asking = await _find_organisation(session, found, at)
    shared = {"found": found, "name": name, "state": state, "organisation": asking.organisation}
    if asking.organisation is not None:
        shared["name"] = name_requester(name, asking.organisation)
    shared |= {"employee": name, "problem": problem or (asking.problem if state is HelpRequestState.WAITING else "")}
    if state is not HelpRequestState.WAITING:
        label = {"state_label": STATE_LABELS[state], "tone": STATE_TONES[state]}
        return render_page(request, "help_request_outcome.html", status=status, **shared, **label)
    if asking.ceiling is not None:
        found = cut_request(found, asking.ceiling, at)
    preview = await _preview(request, session, visitor, found, at)
    return render_page(
        request,
        "help_request_decision.html",
        status=status,
        sent=sent,
        action=f"{CODE_FORM}/{found.id}",
        said=describe_request(found, await views.load_agency_names(session), at),
        presets=list_presets(found.scope),
        takings=list_takings(found.scope, to_dutch_date(at)),
        is_stopped=await find_emergency_stop(session, visitor.person_id) is not None,
        can_agree=not asking.problem,
        **shared,
        **preview,
    )


class _RequestingOrganisation(NamedTuple):
    """The organisation that asks, with `problem` if it cannot help now."""

    organisation: str | None = None
    ceiling: Ceiling | None = None
    problem: str = ""


async def _find_organisation(session: AsyncSession, found: HelpRequest, at: datetime) -> _RequestingOrganisation:
    """Find for which organisation a request is. Nothing for that of a relative."""
    if found.organisation_id is None:
        return _RequestingOrganisation()
    try:
        acting = await require_asking_employee(session, found, at=at)
    except NotAllowed as refusal:
        names = await load_organisation_names(session, {found.organisation_id})
        return _RequestingOrganisation(names.get(found.organisation_id), problem=describe_refusal(refusal))
    return _RequestingOrganisation(acting.organisation.name, acting.organisation.ceiling)


async def _preview(
    request: Request, session: AsyncSession, visitor: Visitor, found: HelpRequest, at: datetime
) -> dict[str, Any]:
    """Divide the letters of the last year into those the helper would see, and others."""
    services = access_services(request)
    preview = preview_listing(services.policy, found.capacity, found.scope)
    since = datetime.combine(add_years(to_dutch_date(at), -1), time(), AMSTERDAM)
    owner = build_citizen_actor(visitor)
    letters = await preview_letters(session, services.keyring, services.policy, owner, preview, since, at=at)
    coverage = find_coverage(await load_active_agencies(session), preview, at)
    return {"letters": letters, "since": since, "covers_everything": coverage is Coverage.EVERYTHING}
