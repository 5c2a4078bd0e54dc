"""Let a machtiging run longer, with the same scope: one choice and one press."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.delegation.amendments.versions import extend_machtiging
from machtiging.delegation.offer import Giver
from machtiging.delegation.renewals.answering import refuse_renewal
from machtiging.delegation.rules import MachtigingLimits
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen
from machtiging.kernel.clock import add_years, last_day_before, to_dutch_date
from machtiging.kernel.errors import Conflict, InvalidInput, NotFound
from machtiging.kernel.ids import MachtigingId
from machtiging.kernel.period import Period
from machtiging.message_catalogue import CatalogueLabels, describe_refusal, get_sentence
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.gemachtigden.cards import load_given_authority, load_given_card
from machtiging.portal.gemachtigden.detail import can_extend, redirect_to_helper, render_helper
from machtiging.portal.labels import CompletedAction
from machtiging.portal.views import MachtigingCard
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import format_day, render_page

router = APIRouter(include_in_schema=False)
PATH = "/helpers/{machtiging_id}/verlengen"
_FIELD = "tot"
_LENGTHS = ("month", "quarter", "half_year", "year")
LENGTH_LABELS: Mapping[str, str] = CatalogueLabels("helpers.length", _LENGTHS)


def list_last_days(period: Period, limits: MachtigingLimits, today: date) -> Mapping[str, date]:
    """Return the later last days to choose from, by length. A length counts from today."""
    ends = (*(today + timedelta(days=days) for days in (30, 90, 180)), add_years(today, 1))
    latest = limits.latest_end_date(today)
    return {name: day for name, day in zip(_LENGTHS, ends, strict=True) if period.last_day < day <= latest}


@router.get(PATH)
async def show_extension(request: Request, machtiging_id: UUID, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """Ask how long. What is over cannot be extended, and is shown as it is."""
    services = access_services(request)
    authority = await load_given_authority(request, session, visitor, MachtigingId(machtiging_id))
    card = await load_given_card(request, session, visitor, MachtigingId(machtiging_id))
    if not can_extend(card):
        return await render_helper(request, session, visitor, card)
    today = to_dutch_date(services.clock.now())
    last_days = list_last_days(authority.root.period, services.delegation_limits, today)
    return _render_form(request, card, last_days, make_blank_form(request))


@router.post(PATH)
async def submit_extension(
    request: Request, machtiging_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Extend to the chosen day. Pressed twice it is extended once."""
    services = access_services(request)
    at, sent = services.clock.now(), await read_submitted_form(request)
    authority = await load_given_authority(request, session, visitor, MachtigingId(machtiging_id))
    period = authority.root.period
    last_days = list_last_days(period, services.delegation_limits, to_dutch_date(at))
    allowed = {day.isoformat() for day in last_days.values()} | {period.last_day.isoformat()}
    chosen = sent.read_choice(_FIELD, allowed, missing=get_sentence("helpers.extend.choose"))
    card = await load_given_card(request, session, visitor, MachtigingId(machtiging_id))
    if sent.faults and can_extend(card):
        return _render_form(request, card, last_days, sent, status=400)
    giver = Giver(visitor.person_id, visitor.assurance)
    last_day = period.last_day if sent.faults else date.fromisoformat(chosen)
    try:
        await extend_machtiging(session, services.delegation_limits, authority.machtiging_id, giver, last_day, at=at)
    except InvalidInput as fault:  # caught here, so that the journal line is committed
        sent.add_fault(_FIELD, describe_refusal(fault))
        return _render_form(request, card, last_days, sent, status=400)
    except Conflict as refusal:
        now = await load_given_card(request, session, visitor, authority.machtiging_id)
        return await render_helper(request, session, visitor, now, note=describe_refusal(refusal))
    return redirect_to_helper(machtiging_id, CompletedAction.EXTENDED)


@router.post(PATH + "/nee")
async def submit_no(
    request: Request, machtiging_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Say no to the question of an organisation to renew. Pressed twice it is said once."""
    at = access_services(request).clock.now()
    authority = await load_given_authority(request, session, visitor, MachtigingId(machtiging_id))
    try:
        await refuse_renewal(session, authority.root.id, visitor.person_id, at=at)
    except (Conflict, NotFound) as refusal:  # caught here, so that the journal line is committed
        card = await load_given_card(request, session, visitor, authority.root.id)
        return await render_helper(request, session, visitor, card, note=describe_refusal(refusal))
    return RedirectResponse(f"/helpers/{authority.root.id}", 303)


def _render_form(
    request: Request, card: MachtigingCard, last_days: Mapping[str, date], sent: SubmittedForm, *, status: int = 200
) -> HTMLResponse:
    choices = [
        (day.isoformat(), get_sentence("helpers.extend.until", day=format_day(day)), LENGTH_LABELS[name])
        for name, day in last_days.items()
    ]
    return render_page(
        request,
        "helpers_extend.html",
        status=status,
        sent=sent,
        card=card,
        choices=choices,
        last_day=last_day_before(card.agreement.ends_at),
    )
