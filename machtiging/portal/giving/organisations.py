"""The step to choose an organisation, and the page after an offer to it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse

from machtiging.delegation.directed_offers.queries import OFFER_LIFETIME
from machtiging.delegation.offer import ORGANISATION_CANNOT_ACCEPT
from machtiging.delegation.terms import MachtigingTerms
from machtiging.identity.form_drafts import DraftAnswers
from machtiging.message_catalogue import get_sentence
from machtiging.organisations.register import (
    MAX_FOUND,
    RecognisedOrganisation,
    load_recognised_organisation,
    search_recognised,
)
from machtiging.portal import views
from machtiging.portal.forms import SubmittedForm
from machtiging.portal.giving.answers import BY_CODE, find_recipient, parse_organisation
from machtiging.portal.operator.register_page import KIND_LABELS
from machtiging.web.pages import format_day, render_page

SEARCH_FIELD = "zoek"
_MAX_SEARCH_LENGTH = 100


async def build_organisation_options(session: AsyncSession, sent: SubmittedForm, at: datetime) -> dict[str, Any]:
    """Build the choices: the organisations found, the chosen one, and a code."""
    wanted = sent.first_value(SEARCH_FIELD)[:_MAX_SEARCH_LENGTH]
    found = await search_recognised(session, wanted, at=at, limit=MAX_FOUND + 1)
    shown = found[:MAX_FOUND]
    chosen_id = parse_organisation(sent.first_value("organisatie"))
    if chosen_id is not None and chosen_id not in {one.id for one in shown}:
        chosen = await load_recognised_organisation(session, chosen_id, at=at)
        shown = shown if chosen is None else [chosen, *shown]
    by_code = (BY_CODE, get_sentence("giving.organisation.by_code"), get_sentence("giving.organisation.by_code_hint"))
    return {
        "search": wanted,
        "organisation_options": [*map(_describe, shown), by_code],
        "has_found": bool(found),
        "has_more": len(found) > MAX_FOUND,
    }


def _describe(one: RecognisedOrganisation) -> tuple[str, str, str]:
    hint = get_sentence(
        "giving.organisation.hint", kind=KIND_LABELS[one.kind], kvk=one.kvk, day=format_day(one.recognised_at)
    )
    return str(one.id), one.name, hint


async def check_organisation(session: AsyncSession, sent: SubmittedForm, at: datetime) -> None:
    """Note a fault if the chosen organisation is not recognised now."""
    chosen_id = parse_organisation(sent.first_value("organisatie"))
    if chosen_id is not None and await load_recognised_organisation(session, chosen_id, at=at) is None:
        sent.add_fault("organisatie", get_sentence(ORGANISATION_CANNOT_ACCEPT))


async def load_organisation_name(session: AsyncSession, answers: DraftAnswers, at: datetime) -> str:
    """Load the name of the organisation of a draft; "" for a code."""
    recipient = find_recipient(answers)
    if recipient is None:
        return ""
    found = await load_recognised_organisation(session, recipient, at=at)
    return get_sentence("giving.organisation.unknown") if found is None else found.name


async def render_sent_offer(
    request: Request, session: AsyncSession, terms: MachtigingTerms, organisation_id: UUID
) -> HTMLResponse:
    """Show that the organisation was asked, and until when it can accept."""
    at = terms.period.starts_at
    found = await load_recognised_organisation(session, organisation_id, at=at)
    names = await views.load_agency_names(session)
    return render_page(
        request,
        "helper_gevraagd.html",
        organisation=get_sentence("giving.organisation.unknown") if found is None else found.name,
        until=min(at + OFFER_LIFETIME, terms.period.ends_at),
        said=views.describe_agreement(terms.capacity, terms.purpose, terms.scope, terms.period, names),
    )
