"""Give a machtiging: `/helpers/nieuw`, and the steps of a draft below it."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.form_drafts import DraftAnswers, StoredDraft, create_draft, load_draft, save_draft
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import InvalidInput
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.giving.answers import (
    STEP_FIELDS,
    GivingFacts,
    GivingStep,
    build_terms,
    find_incomplete_step,
    form_of_step,
    list_steps,
    read_step,
)
from machtiging.portal.giving.draft_pages import (
    CHANGE_FIELD,
    START,
    YES,
    load_facts,
    render_draft_gone,
    render_step,
    render_work_login,
    step_path,
)
from machtiging.portal.giving.organisations import SEARCH_FIELD, check_organisation
from machtiging.portal.giving.review import (
    find_offer_of_draft,
    refuse_repeated_offer,
    render_earlier_offer,
    render_review,
    submit_review,
)
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.doors import Public

router = APIRouter(include_in_schema=False)
_LIST = "/helpers"


@router.get("/machtigingen/aanbieden")
async def redirect_old_address(_: Public) -> RedirectResponse:
    """Redirect the address of before the wizard."""
    return RedirectResponse(START, 308)


@router.get(START)
async def show_first_step(request: Request, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """Show step 1 of a new draft. Nothing is stored yet."""
    if visitor.is_work_login:
        return render_work_login(request)
    return await render_step(request, session, visitor, GivingStep.WHO, make_blank_form(request), previous=_LIST)


@router.post(START)
async def submit_first_step(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> Response:
    """Store step 1 as a new draft, and go on to step 2."""
    if visitor.is_work_login:
        return render_work_login(request)
    sent = await read_submitted_form(request)
    facts, _agencies = await load_facts(request, session)
    if read_step(GivingStep.WHO, sent, facts) is None:
        return await render_step(request, session, visitor, GivingStep.WHO, sent, previous=_LIST, status=400)
    answers = {GivingStep.WHO.value: _select_fields(GivingStep.WHO, sent)}
    draft_id = await create_draft(session, access_services(request).keyring, visitor.person_id, answers, at=facts.at)
    return RedirectResponse(step_path(draft_id, _next_step(answers, GivingStep.WHO)), 303)


@router.get(START + "/{concept_id}/{stap}")
async def show_step(
    request: Request,
    concept_id: UUID,
    stap: GivingStep,
    visitor: Citizen,
    session: Transaction,
    wijzig: str | None = None,
    verlopen: str | None = None,
    controleer: str | None = None,
    zoek: str | None = None,
) -> Response:
    """Show one step of a draft, with the answers until now."""
    if visitor.is_work_login:
        return render_work_login(request)
    facts, agencies = await load_facts(request, session)
    draft = await load_draft(session, access_services(request).keyring, visitor.person_id, concept_id, at=facts.at)
    if draft is None:
        offer_id = await find_offer_of_draft(request, session, visitor, concept_id)
        return (
            render_draft_gone(request)
            if offer_id is None
            else await render_earlier_offer(request, session, visitor, offer_id)
        )
    if stap is GivingStep.CHECK:
        terms = build_terms(draft.answers, facts)
        if terms is None:
            return _redirect_to_incomplete(draft, facts)
        sent = make_blank_form(request)
        return await render_review(request, session, visitor, draft, terms, agencies, sent)
    sent = make_blank_form(request, **form_of_step(draft.answers, stap).values)
    if zoek is not None:
        sent.values[SEARCH_FIELD] = [zoek]
    if wijzig == YES:
        sent.values[CHANGE_FIELD] = [YES]
    if controleer == YES:
        read_step(stap, sent, facts)
    previous = _previous_path(draft, stap)
    lost = verlopen == YES
    return await render_step(request, session, visitor, stap, sent, previous=previous, draft_lost=lost)


@router.post(START + "/{concept_id}/{stap}")
async def submit_step(
    request: Request, concept_id: UUID, stap: GivingStep, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Store the answers of one step and go on. The check page makes the offer, once."""
    if visitor.is_work_login:
        return render_work_login(request)
    sent = await read_submitted_form(request)
    facts, agencies = await load_facts(request, session)
    keyring = access_services(request).keyring
    draft = await load_draft(session, keyring, visitor.person_id, concept_id, at=facts.at, lock=True)
    if draft is None:
        return await _answer_without_draft(request, session, visitor, concept_id, stap, sent, facts)
    if stap is GivingStep.CHECK:
        terms = build_terms(draft.answers, facts)
        if terms is None:
            return _redirect_to_incomplete(draft, facts)
        return await submit_review(request, session, visitor, draft, terms, agencies, sent)
    if read_step(stap, sent, facts) is not None and stap is GivingStep.ORGANISATION:
        await check_organisation(session, sent, facts.at)
    if sent.faults:
        previous = _previous_path(draft, stap)
        return await render_step(request, session, visitor, stap, sent, previous=previous, status=400)
    draft.answers[stap.value] = _select_fields(stap, sent)
    await save_draft(session, keyring, visitor.person_id, draft, at=facts.at)
    if sent.has_value(CHANGE_FIELD, YES):
        return _redirect_to_incomplete(draft, facts)
    return RedirectResponse(step_path(draft.id, _next_step(draft.answers, stap)), 303)


async def _answer_without_draft(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    draft_id: UUID,
    step: GivingStep,
    sent: SubmittedForm,
    facts: GivingFacts,
) -> Response:
    """Answer a form whose draft is gone.

    With its offer if there is one, else with a new draft of what was typed now.
    """
    offer_id = await find_offer_of_draft(request, session, visitor, draft_id)
    if offer_id is not None:
        return await refuse_repeated_offer(request, session, visitor, offer_id, draft_id)
    answers = {step.value: _select_fields(step, sent)}
    if step is GivingStep.CHECK:
        return render_draft_gone(request)
    try:
        new_id = await create_draft(session, access_services(request).keyring, visitor.person_id, answers, at=facts.at)
    except InvalidInput:  # more than any answer has
        return render_draft_gone(request)
    return RedirectResponse(step_path(new_id, GivingStep.WHO) + "?verlopen=ja", 303)


def _select_fields(step: GivingStep, sent: SubmittedForm) -> dict[str, list[str]]:
    return {name: sent.all_values(name) for name in STEP_FIELDS[step] if sent.all_values(name)}


def _redirect_to_incomplete(draft: StoredDraft, facts: GivingFacts) -> RedirectResponse:
    """Redirect to the first step that needs an answer, else to the check page."""
    step = find_incomplete_step(draft.answers, facts)
    if step is None:
        return RedirectResponse(step_path(draft.id, GivingStep.CHECK), 303)
    checked = "&controleer=ja" if step.value in draft.answers else ""
    return RedirectResponse(f"{step_path(draft.id, step)}?{CHANGE_FIELD}={YES}{checked}", 303)


def _next_step(answers: DraftAnswers, step: GivingStep) -> GivingStep:
    steps = list_steps(answers)
    return steps[steps.index(step) + 1] if step in steps else _step_after(step)


def _step_after(step: GivingStep) -> GivingStep:
    """Return the step after one that this draft does not pass."""
    return GivingStep.LETTERS if step is GivingStep.ORGANISATION else GivingStep.READING


def _previous_path(draft: StoredDraft, step: GivingStep) -> str:
    """Return the path of the page before; of step 1, the list of helpers."""
    steps = list_steps(draft.answers)
    place = steps.index(step) if step in steps else steps.index(_step_after(step))
    return step_path(draft.id, steps[place - 1]) if place else _LIST
