"""The check page: terms with a change link each, preview, confirmation; then the offer, once."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, time
from typing import Any
from uuid import UUID

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse

from machtiging.access.actor import build_citizen_actor
from machtiging.access.dependencies import access_services
from machtiging.access.listing_preview import ListingPreview, preview_listing
from machtiging.agencies.queries import AgencyView
from machtiging.agencies.rules import Sensitivity
from machtiging.berichtenbox.letter_preview import preview_letters
from machtiging.delegation.offer import (
    OFFER_REPEATED,
    Giver,
    derive_offer_id,
    journal_repeated_offer,
    offer_machtiging,
)
from machtiging.delegation.queries import load_machtiging_of_person
from machtiging.delegation.rules import Act, Capacity
from machtiging.delegation.terms import MachtigingTerms
from machtiging.identity.form_drafts import DraftAnswers, StoredDraft, delete_draft
from machtiging.identity.session import Visitor
from machtiging.kernel.clock import AMSTERDAM, add_years, to_dutch_date
from machtiging.kernel.errors import Conflict
from machtiging.kernel.ids import MachtigingId
from machtiging.message_catalogue import describe_refusal, get_sentence
from machtiging.portal import labels, views
from machtiging.portal.forms import SubmittedForm
from machtiging.portal.giving.answers import (
    FIRST_LETTER_DAY,
    STEP_COUNT,
    STEP_NUMBERS,
    GivingStep,
    LetterPreset,
    find_recipient,
)
from machtiging.portal.giving.code_page import NewCode, render_code_page
from machtiging.portal.giving.coverage import Coverage, find_coverage
from machtiging.portal.giving.draft_pages import step_path
from machtiging.portal.giving.organisations import load_organisation_name, render_sent_offer
from machtiging.web.pages import format_day, format_period_end, render_page

_SURE_FIELD, _VERSION_FIELD = "zeker", "versie"
# Keys of the sentence that asks again, and of its tick.
_COVERAGE_KEYS = {
    Coverage.NOTHING: ("giving.check.nothing", "giving.check.nothing_sure", "giving.check.nothing_missing"),
    Coverage.EVERYTHING: ("giving.check.everything", "giving.check.everything_sure", "giving.check.everything_missing"),
}


def giver_of(visitor: Visitor, draft_id: UUID) -> Giver:
    """Return the giver of a draft. Its id is the idempotency key: a draft makes at most one offer."""
    return Giver(visitor.person_id, visitor.assurance, str(draft_id))


async def find_offer_of_draft(
    request: Request, session: AsyncSession, visitor: Visitor, draft_id: UUID
) -> MachtigingId | None:
    """Return the offer that this visitor made of a draft; else None."""
    offer_id = MachtigingId(derive_offer_id(access_services(request).keyring, giver_of(visitor, draft_id)))
    return None if await load_machtiging_of_person(session, offer_id, visitor.person_id) is None else offer_id


async def render_earlier_offer(
    request: Request, session: AsyncSession, visitor: Visitor, machtiging_id: MachtigingId
) -> HTMLResponse:
    """Show that the offer of this draft exists, with the button for a new code."""
    code = await views.find_renewable_code(
        session, machtiging_id, visitor.person_id, access_services(request).clock.now()
    )
    return render_page(
        request, "aanbod_al_gemaakt.html", status=409, machtiging_id=machtiging_id, code=code, renewed=False
    )


async def refuse_repeated_offer(
    request: Request, session: AsyncSession, visitor: Visitor, machtiging_id: MachtigingId, draft_id: UUID
) -> HTMLResponse:
    """Journal a second press of the button, and show the offer of the first."""
    at = access_services(request).clock.now()
    await journal_repeated_offer(session, giver_of(visitor, draft_id), at=at)
    return await render_earlier_offer(request, session, visitor, machtiging_id)


async def render_review(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    draft: StoredDraft,
    terms: MachtigingTerms,
    agencies: list[AgencyView],
    sent: SubmittedForm,
    *,
    status: int = 200,
    changed: bool = False,
) -> HTMLResponse:
    """Render the check page. `changed`: the answers are not those of the page that was sent."""
    services, at = access_services(request), terms.period.starts_at
    preview = preview_listing(services.policy, terms.capacity, terms.scope)
    since = datetime.combine(add_years(to_dutch_date(at), -1), time(), AMSTERDAM)
    owner = build_citizen_actor(visitor)
    letters = await preview_letters(session, services.keyring, services.policy, owner, preview, since, at=at)
    coverage = find_coverage(agencies, preview, at)
    asks_again = _COVERAGE_KEYS.get(coverage)
    return render_page(
        request,
        "helper_controle.html",
        status=status,
        sent=sent,
        action=step_path(draft.id, GivingStep.CHECK),
        rows=_build_rows(draft, terms, agencies, await load_organisation_name(session, draft.answers, at)),
        letters=letters,
        since=since,
        name=terms.helper_name,
        is_professional=terms.capacity is Capacity.PROFESSIONAL,
        coverage=coverage,
        warning=get_sentence(asks_again[0]) if asks_again else "",
        sure_options=[(coverage.value, get_sentence(asks_again[1]))] if asks_again else [],
        version=compute_version(draft.answers),
        changed=changed,
        number=STEP_NUMBERS[GivingStep.CHECK],
        total=STEP_COUNT,
        previous=step_path(draft.id, GivingStep.PERIOD),
    )


async def submit_review(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    draft: StoredDraft,
    terms: MachtigingTerms,
    agencies: list[AgencyView],
    sent: SubmittedForm,
) -> HTMLResponse:
    """Make the offer and show its code. Ask again for another version, or without a needed tick."""
    services, at = access_services(request), terms.period.starts_at
    preview = preview_listing(services.policy, terms.capacity, terms.scope)
    if sent.first_value(_VERSION_FIELD) != compute_version(draft.answers):
        blank = SubmittedForm()
        return await render_review(request, session, visitor, draft, terms, agencies, blank, status=409, changed=True)
    if _find_missing_tick(sent, agencies, preview, at):
        return await render_review(request, session, visitor, draft, terms, agencies, sent, status=400)
    giver = giver_of(visitor, draft.id)
    limits, recipient = services.delegation_limits, find_recipient(draft.answers)
    try:
        offered = await offer_machtiging(session, services.keyring, limits, giver, terms, at=at, offered_to=recipient)
    except Conflict as refusal:  # caught here, so that the journal line is committed
        if refusal.code != OFFER_REPEATED:
            sent.add_fault(_SURE_FIELD, describe_refusal(refusal))
            return await render_review(request, session, visitor, draft, terms, agencies, sent, status=409)
        offer_id = MachtigingId(derive_offer_id(services.keyring, giver))
        return await render_earlier_offer(request, session, visitor, offer_id)
    await delete_draft(session, visitor.person_id, draft.id)
    if recipient is not None:
        return await render_sent_offer(request, session, terms, recipient)
    names = await views.load_agency_names(session)
    agreement = views.describe_agreement(terms.capacity, terms.purpose, terms.scope, terms.period, names)
    until = min(at + services.delegation_limits.code_lifetime, terms.period.ends_at)
    new_code = NewCode(offered.code, offered.check_word, until, terms.helper_name or "")
    return render_code_page(request, new_code, agreement, renewed=False)


def _find_missing_tick(sent: SubmittedForm, agencies: list[AgencyView], preview: ListingPreview, at: datetime) -> bool:
    """Note a fault if the machtiging covers nothing or everything, and that was not confirmed."""
    coverage = find_coverage(agencies, preview, at)
    if coverage in _COVERAGE_KEYS and sent.first_value(_SURE_FIELD) != coverage.value:
        sent.add_fault(_SURE_FIELD, get_sentence(_COVERAGE_KEYS[coverage][2]))
    return bool(sent.faults)


def compute_version(answers: DraftAnswers) -> str:
    """Compute a short digest of the answers. Nobody agrees to another version than she saw."""
    return hashlib.sha256(json.dumps(answers, sort_keys=True).encode()).hexdigest()[:16]


def _build_rows(
    draft: StoredDraft, terms: MachtigingTerms, agencies: list[AgencyView], organisation: str
) -> list[dict[str, Any]]:
    """Build the rows of the check page, each with its label, value and change link."""
    scope = terms.scope
    letters_step = GivingStep.LETTERS
    rows: list[tuple[str, str | list[str], GivingStep]] = [
        (get_sentence("giving.row.name"), terms.helper_name or "", GivingStep.WHO),
        (get_sentence("giving.row.capacity"), labels.CAPACITY_LABELS[terms.capacity], GivingStep.WHO),
        (get_sentence("giving.row.purpose"), terms.purpose, GivingStep.WHO),
        *([(get_sentence("giving.row.organisation"), organisation, GivingStep.ORGANISATION)] if organisation else []),
        (get_sentence("giving.row.preset"), _describe_preset(draft.answers), letters_step),
    ]
    if draft.answers[letters_step]["keuze"] == [LetterPreset.OWN_CHOICE]:
        rows += [
            (get_sentence("giving.row.senders"), _describe_senders(terms, agencies), GivingStep.OWN_CHOICE),
            (get_sentence("giving.row.themes"), _describe_themes(terms), GivingStep.OWN_CHOICE),
        ]
    sensitive = scope.highest_sensitivity is not Sensitivity.GEWOON
    rows += [
        (get_sentence("giving.row.existing"), _describe_first_day(terms), GivingStep.READING),
        (get_sentence("giving.row.sensitive"), _yes_or_no(answer=sensitive), GivingStep.READING),
        (get_sentence("giving.row.attachments"), _yes_or_no(answer=Act.DOWNLOAD in scope.acts), GivingStep.READING),
        (get_sentence("giving.row.period"), format_period_end(terms.period.ends_at), GivingStep.PERIOD),
    ]
    return [
        {"label": label, "value": value, "href": step_path(draft.id, step) + "?wijzig=ja"}
        for label, value, step in rows
    ]


def _describe_preset(answers: DraftAnswers) -> str:
    sentences = {
        LetterPreset.ALL_BUT_MEDICAL: get_sentence("giving.letters.all_but_medical"),
        LetterPreset.TAX_AND_BENEFITS: get_sentence("giving.letters.tax_and_benefits"),
        LetterPreset.OWN_CHOICE: get_sentence("giving.letters.own_choice"),
    }
    return sentences[LetterPreset(answers[GivingStep.LETTERS]["keuze"][0])]


def _describe_senders(terms: MachtigingTerms, agencies: list[AgencyView]) -> str | list[str]:
    if terms.scope.afzenders is None:
        return get_sentence("giving.own_choice.all_senders")
    return [agency.name for agency in agencies if agency.oin in terms.scope.afzenders]


def _describe_themes(terms: MachtigingTerms) -> str | list[str]:
    if terms.scope.themes is None:
        return get_sentence("giving.own_choice.all_themes")
    return labels.label_themes(terms.scope.themes)


def _describe_first_day(terms: MachtigingTerms) -> str:
    first_day = terms.scope.letters_from
    if first_day == FIRST_LETTER_DAY:
        return get_sentence("giving.reading.existing_all")
    if first_day == to_dutch_date(terms.period.starts_at):
        return get_sentence("giving.reading.existing_none")
    return get_sentence("giving.row.since", day=format_day(first_day))


def _yes_or_no(*, answer: bool) -> str:
    return get_sentence("giving.yes") if answer else get_sentence("giving.no")
