"""Pages of the wizard: a step with its fields, and refusals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse

from machtiging.access.dependencies import access_services
from machtiging.agencies.queries import AgencyView, load_active_agencies
from machtiging.berichtenbox.letter_preview import count_letters_per_sender
from machtiging.identity.session import Visitor
from machtiging.kernel.clock import AMSTERDAM, add_years, end_of_day
from machtiging.message_catalogue import get_sentence
from machtiging.portal import labels
from machtiging.portal.forms import SubmittedForm
from machtiging.portal.giving.answers import (
    DURATIONS,
    STEP_COUNT,
    STEP_NUMBERS,
    GivingFacts,
    GivingStep,
)
from machtiging.portal.giving.organisations import build_organisation_options
from machtiging.web.pages import render_page

START = "/helpers/nieuw"
# A change of one row of the check page leads back to it.
CHANGE_FIELD, YES = "wijzig", "ja"
_TEMPLATES = {
    GivingStep.WHO: "helper_wie.html",
    GivingStep.ORGANISATION: "helper_organisatie.html",
    GivingStep.LETTERS: "helper_brieven.html",
    GivingStep.OWN_CHOICE: "helper_zelf_kiezen.html",
    GivingStep.READING: "helper_lezen.html",
    GivingStep.PERIOD: "helper_duur.html",
}


def step_path(draft_id: UUID, step: GivingStep) -> str:
    """Return the path of a step of a draft."""
    return f"{START}/{draft_id}/{step.value}"


async def load_facts(request: Request, session: AsyncSession) -> tuple[GivingFacts, list[AgencyView]]:
    """Load what the answers are checked against, and the agencies."""
    services = access_services(request)
    agencies = await load_active_agencies(session)
    oins = frozenset(agency.oin for agency in agencies)
    return GivingFacts(oins, services.delegation_limits, services.clock.now()), agencies


def render_work_login(request: Request) -> HTMLResponse:
    """Say to somebody who logged in for work that this is for private logins."""
    return render_page(request, "helper_voor_werk.html", status=403)


def render_draft_gone(request: Request) -> HTMLResponse:
    """Say that the answers are not there any more. The same for an unknown, expired or foreign id."""
    return render_page(request, "helper_verlopen.html", status=404, start=START)


async def render_step(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    step: GivingStep,
    sent: SubmittedForm,
    *,
    previous: str,
    status: int = 200,
    draft_lost: bool = False,
) -> HTMLResponse:
    """Render one step. `previous` is the path of the page before."""
    facts, agencies = await load_facts(request, session)
    options: dict[str, Any] = {}
    if step is GivingStep.OWN_CHOICE:
        options = await _build_own_choice_options(session, visitor, facts, agencies)
    if step is GivingStep.ORGANISATION:
        options = await build_organisation_options(session, sent, facts.at)
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
        draft_lost=draft_lost,
        today=facts.today,
        year_ago=add_years(facts.today, -1),
        **options,
    )


async def _build_own_choice_options(
    session: AsyncSession, visitor: Visitor, facts: GivingFacts, agencies: Sequence[AgencyView]
) -> dict[str, Any]:
    """Build the organisations, those that ever wrote to her on top, and the themes."""
    since = end_of_day(add_years(facts.today, -1)).astimezone(AMSTERDAM)
    counts = await count_letters_per_sender(session, visitor.person_id, since, at=facts.at)
    wrote = sorted((each for each in agencies if each.oin in counts), key=lambda each: -counts[each.oin])
    return {
        "wrote_options": [(each.oin, each.name, _describe_count(counts[each.oin])) for each in wrote],
        "other_options": [(each.oin, each.name, _describe_diensten(each)) for each in agencies if each not in wrote],
        "theme_options": [(theme.value, word) for theme, word in labels.THEME_LABELS.items()],
    }


def _describe_count(number: int) -> str:
    return get_sentence("giving.own_choice.letters_this_year", n=number)


def _describe_diensten(agency: AgencyView) -> str:
    return ", ".join(dienst.name for dienst in agency.diensten)
