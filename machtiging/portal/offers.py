"""Offer a machtiging: a form, a review page, and the machtigingscode, shown once."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse

from machtiging.access.dependencies import access_services
from machtiging.agencies.queries import AgencyView, load_active_agencies
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.crypto.secrets import generate_token
from machtiging.delegation.offer import Giver, MachtigingTerms, derive_offer_id, offer_machtiging
from machtiging.delegation.queries import load_machtiging_of_person
from machtiging.delegation.rules import SELECTABLE_CAPACITIES, Act, Capacity, MachtigingLimits, MachtigingScope
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.clock import add_years, end_of_day, to_dutch_date
from machtiging.kernel.errors import Conflict, InvalidInput
from machtiging.kernel.ids import MachtigingId
from machtiging.kernel.period import Period
from machtiging.message_catalogue import describe_fields, describe_refusal
from machtiging.portal import labels, views
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form, split_date
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)

ALL_SENDERS = "alle"
CUSTOM_END = "eigen"
ONE_YEAR = "365"
DURATIONS = {"30": "30 dagen", "90": "90 dagen", "180": "180 dagen", ONE_YEAR: "1 jaar"}
ACTS_BY_CHOICE = {
    "lijst": frozenset({Act.LIST}),
    "lezen": frozenset({Act.LIST, Act.READ}),
    "downloaden": frozenset({Act.LIST, Act.READ, Act.DOWNLOAD}),
}
# "Vertrouwelijk" is not on the form: the policy denies it to helpers chosen by a citizen.
SENSITIVITIES_TO_CHOOSE = (Sensitivity.GEWOON, Sensitivity.GEVOELIG)
_MAX_PURPOSE_LENGTH = 120
_CONSENT_BASIS = "toestemming"
# Idempotency key of the review page, so that two clicks make one offer.
_OFFER_KEY_FIELD = "sleutel"
_OFFER_KEY_PATTERN = re.compile(r"[A-Za-z0-9_-]{22}")


@router.get("/machtigingen/aanbieden")
async def show_offer_form(request: Request, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """Show the form with careful defaults: no health letters, none before today, ninety days."""
    today = to_dutch_date(access_services(request).clock.now())
    opened = make_blank_form(
        request,
        soort=Capacity.RELATIVE.value,
        uitgesloten=[Theme.ZORG.value],
        gevoelig=Sensitivity.GEWOON.value,
        mag="lezen",
        duur="90",
        **split_date("vanaf", today),
    )
    agencies = await load_active_agencies(session)
    if opened.first_value("akkoord") == "ja":  # a saved form, submitted from the review page
        return await _restore_review_page(request, session, visitor, agencies, opened)
    return _render_offer_form(request, agencies, opened)


@router.post("/machtigingen/aanbieden")
async def submit_offer_form(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> HTMLResponse:
    """Show the review page; with `akkoord=ja` and that page's key, make the offer, once."""
    sent = await read_submitted_form(request)
    agencies = await load_active_agencies(session)
    services = access_services(request)
    at: datetime = services.clock.now()
    terms = read_terms(sent, {agency.oin for agency in agencies}, services.delegation_limits, at)
    if terms is None:
        return _render_offer_form(request, agencies, sent, status=400)
    if sent.first_value("akkoord") == "wijzig":
        return _render_offer_form(request, agencies, sent)
    agreement = views.describe_agreement(
        terms.capacity, terms.purpose, terms.scope, terms.period, await views.load_agency_names(session)
    )
    key = sent.first_value(_OFFER_KEY_FIELD)
    if sent.first_value("akkoord") != "ja" or not _OFFER_KEY_PATTERN.fullmatch(key):
        return render_page(request, "aanbieden_controle.html", said=agreement, sent=sent, key=generate_token(128))
    giver = Giver(visitor.person_id, visitor.assurance, key)
    try:
        offered = await offer_machtiging(session, services.keyring, services.delegation_limits, giver, terms, at=at)
    except InvalidInput as error:
        _copy_rule_faults(sent, error)
        return _render_offer_form(request, agencies, sent, status=400)
    except Conflict:  # caught here, so that the journal line is committed
        return await _show_earlier_offer(request, session, giver)
    until = min(at + services.delegation_limits.code_lifetime, terms.period.ends_at)
    shown = "aangeboden.html"
    return render_page(
        request, shown, said=agreement, code=offered.code, word=offered.check_word, code_until=until, renewed=False
    )


async def _show_earlier_offer(request: Request, session: AsyncSession, giver: Giver) -> HTMLResponse:
    services = access_services(request)
    machtiging_id = MachtigingId(derive_offer_id(services.keyring, giver))
    code = await views.find_renewable_code(session, machtiging_id, giver.person_id, services.clock.now())
    return render_page(
        request, "aanbod_al_gemaakt.html", status=409, machtiging_id=machtiging_id, code=code, renewed=False
    )


async def _restore_review_page(
    request: Request, session: AsyncSession, visitor: Visitor, agencies: list[AgencyView], saved_form: SubmittedForm
) -> HTMLResponse:
    """Show the review page of a saved form with its key, or its earlier offer."""
    services = access_services(request)
    terms = read_terms(
        saved_form, {agency.oin for agency in agencies}, services.delegation_limits, services.clock.now()
    )
    key = saved_form.first_value(_OFFER_KEY_FIELD)
    if terms is None or not _OFFER_KEY_PATTERN.fullmatch(key):
        return _render_offer_form(request, agencies, saved_form)
    giver = Giver(visitor.person_id, visitor.assurance, key)
    if (
        await load_machtiging_of_person(
            session, MachtigingId(derive_offer_id(services.keyring, giver)), visitor.person_id
        )
        is not None
    ):
        return await _show_earlier_offer(request, session, giver)
    agreement = views.describe_agreement(
        terms.capacity, terms.purpose, terms.scope, terms.period, await views.load_agency_names(session)
    )
    return render_page(request, "aanbieden_controle.html", said=agreement, sent=saved_form, key=key)


def _render_offer_form(
    request: Request, agencies: list[AgencyView], sent: SubmittedForm, *, status: int = 200
) -> HTMLResponse:
    return render_page(
        request,
        "aanbieden.html",
        status=status,
        sent=sent,
        agency_options=[(agency.oin, agency.name) for agency in agencies],
        theme_options=[(theme.value, word) for theme, word in labels.THEME_LABELS.items()],
        sensitivity_options=[
            (sensitivity.value, labels.SENSITIVITY_LABELS[sensitivity]) for sensitivity in SENSITIVITIES_TO_CHOOSE
        ],
        lengths=DURATIONS,
    )


# Field names of the domain rules, and those of the form.
_FORM_FIELDS = {
    "capacity": "soort",
    "purpose": "doel",
    "afzenders": "afzenders",
    "themes": "uitgesloten",
    "letters_from": "vanaf",
    "acts": "mag",
}


def _copy_rule_faults(sent: SubmittedForm, error: InvalidInput) -> None:
    """Copy the faults of the domain rules to the form fields."""
    for name, sentence in (describe_fields(error) or {"ends_at": describe_refusal(error)}).items():
        sent.add_fault(_FORM_FIELDS.get(name, "duur"), sentence)


def read_terms(sent: SubmittedForm, oins: set[str], limits: MachtigingLimits, at: datetime) -> MachtigingTerms | None:
    """Read the terms from a form; None, with all faults noted, if any is invalid."""
    capacity = sent.read_choice(
        "soort", {choice.value for choice in SELECTABLE_CAPACITIES}, missing="Kies wie u gaat helpen."
    )
    purpose = sent.read_text("doel", max_length=_MAX_PURPOSE_LENGTH, missing="Schrijf op waarvoor u hulp wilt.")
    senders = sent.read_choices("afzenders", oins | {ALL_SENDERS}, missing="Kies minstens één organisatie.")
    excluded = sent.read_choices("uitgesloten", {theme.value for theme in Theme})
    sensitivity = sent.read_choice(
        "gevoelig", {sensitivity.value for sensitivity in SENSITIVITIES_TO_CHOOSE}, missing="Kies hoe persoonlijk."
    )
    letters_from = _read_letters_from(sent, at)
    acts = sent.read_choice("mag", ACTS_BY_CHOICE, missing="Kies wat de helper mag doen.")
    ends_at = _read_end(sent, limits, at)
    if sent.faults or letters_from is None or ends_at is None:
        return None
    scope = MachtigingScope(
        afzenders=None if ALL_SENDERS in senders else senders,
        diensten=None,
        themes=None,
        excluded_themes=frozenset(map(Theme, excluded)),
        highest_sensitivity=Sensitivity(sensitivity),
        letters_from=letters_from,
        acts=ACTS_BY_CHOICE[acts],
    )
    return MachtigingTerms(Capacity(capacity), purpose, _CONSENT_BASIS, scope, Period(at, ends_at))


def _read_letters_from(sent: SubmittedForm, at: datetime) -> date | None:
    day = sent.read_date("vanaf", missing="Vul in vanaf welke dag de helper brieven mag zien.")
    if day is not None and day > to_dutch_date(at):
        sent.add_fault("vanaf", "Deze dag moet vandaag zijn of eerder. Nieuwe brieven ziet de helper vanzelf.")
    return day


def _read_end(sent: SubmittedForm, limits: MachtigingLimits, at: datetime) -> datetime | None:
    """Return the end of the last day. A duration counts from tomorrow, so today is extra."""
    how_long = sent.read_choice("duur", {*DURATIONS, CUSTOM_END}, missing="Kies hoe lang de machtiging geldt.")
    today = to_dutch_date(at)
    if how_long == CUSTOM_END:
        last_day = sent.read_date("einde", missing="Vul de laatste dag in.")
        if last_day is not None and last_day < today:
            sent.add_fault("einde", "Deze dag is al voorbij. Kies een latere dag.")
    else:
        last_day = _compute_last_day(how_long, today) if how_long in DURATIONS else None
    if last_day is None:
        return None
    if last_day > limits.latest_end_date(today):
        sent.add_fault(
            "einde" if how_long == CUSTOM_END else "duur",
            f"Een machtiging duurt hoogstens {limits.maximum_duration_text}.",
        )
    return end_of_day(last_day)


def _compute_last_day(how_long: str, today: date) -> date:
    return add_years(today, 1) if how_long == ONE_YEAR else today + timedelta(days=int(how_long))
