"""Make a help request: `/ik-help/vragen/nieuw`, and the steps of a draft below it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import AfterValidator
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.delegation.acceptance import CodeHolder
from machtiging.delegation.help_requests.creation import RequestedHelp, create_help_request, derive_request_id
from machtiging.delegation.help_requests.queries import load_own_request
from machtiging.delegation.rules import Capacity
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.form_drafts import (
    DraftAnswers,
    StoredDraft,
    create_draft,
    delete_draft,
    load_draft,
    save_draft,
)
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.clock import add_years, end_of_day
from machtiging.kernel.errors import Conflict, InvalidInput, TooMany
from machtiging.kernel.period import Period
from machtiging.message_catalogue import describe_refusal, get_sentence
from machtiging.portal import labels, views
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.giving.answers import (
    DURATIONS,
    STEP_COUNT,
    STEP_NUMBERS,
    GivingFacts,
    GivingStep,
    form_of_step,
    list_steps,
)
from machtiging.portal.giving.draft_pages import CHANGE_FIELD, YES, load_facts, render_work_login
from machtiging.portal.giving.review import compute_version
from machtiging.portal.help_requests.answers import STEP_FIELDS, build_content, find_incomplete_step, read_step
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
LIST = "/ik-help/vragen"
START = LIST + "/nieuw"
_VERSION_FIELD = "versie"
_TEMPLATES = {
    GivingStep.WHO: "help_request_who.html",
    GivingStep.LETTERS: "help_request_letters.html",
    GivingStep.OWN_CHOICE: "help_request_own_choice.html",
    GivingStep.READING: "help_request_reading.html",
    GivingStep.PERIOD: "help_request_period.html",
}
# The links of the check page that lead back to a step.
_CHANGEABLE_STEPS = {
    "who": GivingStep.WHO,
    "letters": GivingStep.LETTERS,
    "reading": GivingStep.READING,
    "period": GivingStep.PERIOD,
}


def _require_step(step: GivingStep) -> GivingStep:
    if step is not GivingStep.CHECK and step not in _TEMPLATES:
        raise ValueError("no step of this wizard")
    return step


StepInPath = Annotated[GivingStep, AfterValidator(_require_step)]


@router.get(START)
async def show_first_question(request: Request, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """Show step 1 of a new draft. Nothing is stored yet."""
    if visitor.is_work_login:
        return render_work_login(request)
    return await _render_step(request, session, GivingStep.WHO, make_blank_form(request), previous=LIST)


@router.post(START)
async def submit_first_question(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> Response:
    """Store step 1 as a new draft, and go on to step 2."""
    if visitor.is_work_login:
        return render_work_login(request)
    sent = await read_submitted_form(request)
    facts, _agencies = await load_facts(request, session)
    if read_step(GivingStep.WHO, sent, facts) is None:
        return await _render_step(request, session, GivingStep.WHO, sent, previous=LIST, status=400)
    answers = {GivingStep.WHO.value: _select_fields(GivingStep.WHO, sent)}
    draft_id = await create_draft(session, access_services(request).keyring, visitor.person_id, answers, at=facts.at)
    return RedirectResponse(_step_path(draft_id, GivingStep.LETTERS), 303)


@router.get(START + "/{concept_id}/{stap}")
async def show_question(
    request: Request,
    concept_id: UUID,
    stap: StepInPath,
    visitor: Citizen,
    session: Transaction,
    wijzig: str | None = None,
    controleer: str | None = None,
) -> Response:
    """Show one step of a draft, with the answers until now."""
    if visitor.is_work_login:
        return render_work_login(request)
    facts, _agencies = await load_facts(request, session)
    draft = await load_draft(session, access_services(request).keyring, visitor.person_id, concept_id, at=facts.at)
    if draft is None:
        return await _answer_without_draft(request, session, visitor, concept_id)
    if stap is GivingStep.CHECK:
        content = build_content(draft.answers, facts)
        if content is None:
            return _redirect_to_incomplete(draft, facts)
        return await _render_check(request, session, draft, content, facts)
    sent = make_blank_form(request, **form_of_step(draft.answers, stap).values)
    if wijzig == YES:
        sent.values[CHANGE_FIELD] = [YES]
    if controleer == YES:
        read_step(stap, sent, facts)
    return await _render_step(request, session, stap, sent, previous=_previous_path(draft, stap))


@router.post(START + "/{concept_id}/{stap}")
async def submit_question(
    request: Request, concept_id: UUID, stap: StepInPath, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Store the answers of one step and go on. The check page makes the request, once."""
    if visitor.is_work_login:
        return render_work_login(request)
    sent = await read_submitted_form(request)
    facts, _agencies = await load_facts(request, session)
    keyring = access_services(request).keyring
    draft = await load_draft(session, keyring, visitor.person_id, concept_id, at=facts.at, lock=True)
    if draft is None:
        return await _answer_without_draft(request, session, visitor, concept_id)
    if stap is GivingStep.CHECK:
        content = build_content(draft.answers, facts)
        if content is None:
            return _redirect_to_incomplete(draft, facts)
        return await _submit_check(request, session, visitor, draft, content, facts, sent)
    if read_step(stap, sent, facts) is None:
        return await _render_step(request, session, stap, sent, previous=_previous_path(draft, stap), status=400)
    draft.answers[stap.value] = _select_fields(stap, sent)
    await save_draft(session, keyring, visitor.person_id, draft, at=facts.at)
    if sent.has_value(CHANGE_FIELD, YES):
        return _redirect_to_incomplete(draft, facts)
    return RedirectResponse(_step_path(draft.id, _next_step(draft.answers, stap)), 303)


async def _submit_check(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    draft: StoredDraft,
    content: RequestedHelp,
    facts: GivingFacts,
    sent: SubmittedForm,
) -> Response:
    """Make the request and go to its page. Show the page again for other answers or a refusal."""
    if sent.first_value(_VERSION_FIELD) != compute_version(draft.answers):
        changed = get_sentence("giving.check.changed")
        return await _render_check(request, session, draft, content, facts, problem=changed, status=409)
    services, requester = access_services(request), CodeHolder(visitor.person_id, visitor.assurance)
    try:
        request_id = await create_help_request(
            session, services.keyring, services.delegation_limits, requester, content, str(draft.id), at=facts.at
        )
    except (Conflict, InvalidInput, TooMany) as refusal:  # caught here, so that the journal line is committed
        status = 429 if isinstance(refusal, TooMany) else 409 if isinstance(refusal, Conflict) else 400
        problem = describe_refusal(refusal)
        return await _render_check(request, session, draft, content, facts, problem=problem, status=status)
    await delete_draft(session, visitor.person_id, draft.id)
    return RedirectResponse(f"{LIST}/{request_id}", 303)


async def _answer_without_draft(request: Request, session: AsyncSession, visitor: Visitor, draft_id: UUID) -> Response:
    """Answer for a draft that is gone: with its request if there is one."""
    keyring = access_services(request).keyring
    request_id = derive_request_id(keyring, visitor.person_id, str(draft_id))
    if await load_own_request(session, keyring, request_id, visitor.person_id) is not None:
        return RedirectResponse(f"{LIST}/{request_id}", 303)
    return render_page(request, "helper_verlopen.html", status=404, start=START)


async def _render_step(
    request: Request, session: AsyncSession, step: GivingStep, sent: SubmittedForm, *, previous: str, status: int = 200
) -> HTMLResponse:
    facts, agencies = await load_facts(request, session)
    options: dict[str, Any] = {}
    if step is GivingStep.OWN_CHOICE:
        options = {
            "senders": [(agency.oin, agency.name) for agency in agencies],
            "themes": [(theme.value, word) for theme, word in labels.THEME_LABELS.items()],
        }
    if step is GivingStep.PERIOD:
        options = {"durations": [(value, get_sentence("giving.period.days", n=int(value))) for value in DURATIONS[:-1]]}
    return render_page(
        request,
        _TEMPLATES[step],
        status=status,
        sent=sent,
        number=STEP_NUMBERS[step],
        total=STEP_COUNT,
        previous=previous,
        changing=sent.has_value(CHANGE_FIELD, YES),
        year_ago=add_years(facts.today, -1),
        **options,
    )


async def _render_check(
    request: Request,
    session: AsyncSession,
    draft: StoredDraft,
    content: RequestedHelp,
    facts: GivingFacts,
    *,
    problem: str = "",
    status: int = 200,
) -> HTMLResponse:
    period = Period(facts.at, end_of_day(content.last_day))
    names = await views.load_agency_names(session)
    return render_page(
        request,
        "help_request_check.html",
        status=status,
        action=_step_path(draft.id, GivingStep.CHECK),
        words=content.words,
        said=views.describe_agreement(Capacity.RELATIVE, content.words.purpose, content.scope, period, names),
        version=compute_version(draft.answers),
        problem=problem,
        number=STEP_NUMBERS[GivingStep.CHECK],
        total=STEP_COUNT,
        previous=_step_path(draft.id, GivingStep.PERIOD),
        changes={
            name: f"{_step_path(draft.id, step)}?{CHANGE_FIELD}={YES}" for name, step in _CHANGEABLE_STEPS.items()
        },
    )


def _step_path(draft_id: UUID, step: GivingStep) -> str:
    return f"{START}/{draft_id}/{step.value}"


def _select_fields(step: GivingStep, sent: SubmittedForm) -> dict[str, list[str]]:
    return {name: sent.all_values(name) for name in STEP_FIELDS[step] if sent.all_values(name)}


def _redirect_to_incomplete(draft: StoredDraft, facts: GivingFacts) -> RedirectResponse:
    """Redirect to the first step that needs an answer, else to the check page."""
    step = find_incomplete_step(draft.answers, facts)
    if step is None:
        return RedirectResponse(_step_path(draft.id, GivingStep.CHECK), 303)
    checked = f"&controleer={YES}" if step.value in draft.answers else ""
    return RedirectResponse(f"{_step_path(draft.id, step)}?{CHANGE_FIELD}={YES}{checked}", 303)


def _next_step(answers: DraftAnswers, step: GivingStep) -> GivingStep:
    steps = list_steps(answers)
    return steps[steps.index(step) + 1] if step in steps else GivingStep.READING


def _previous_path(draft: StoredDraft, step: GivingStep) -> str:
    """Return the path of the page before; of step 1, the list of requests."""
    steps = list_steps(draft.answers)
    place = steps.index(step) if step in steps else steps.index(GivingStep.READING)
    return _step_path(draft.id, steps[place - 1]) if place else LIST
