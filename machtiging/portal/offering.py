"""Offer a machtiging: a form, a review page, and the machtigingscode, shown once."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse

from machtiging.agencies.queries import AgencyView, all_agencies
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.crypto.secrets import random_token
from machtiging.delegation.offer import Giver, Terms, made_with, offer
from machtiging.delegation.queries import machtiging_of
from machtiging.delegation.rules import CAPACITIES_TO_CHOOSE, Act, Capacity, Limits, Scope
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.clock import add_years, day_in_the_netherlands, end_of_day
from machtiging.kernel.errors import Conflict, InvalidInput
from machtiging.kernel.ids import MachtigingId
from machtiging.kernel.period import Period
from machtiging.oauth.dependencies import oauth_services
from machtiging.portal import views, words
from machtiging.portal.forms import Filled, blank, day_boxes, filled
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import page

router = APIRouter(include_in_schema=False)

ALL_SENDERS = "alle"
OWN_END = "eigen"
A_YEAR = "365"
LENGTHS = {"30": "30 dagen", "90": "90 dagen", "180": "180 dagen", A_YEAR: "1 jaar"}
ACTS = {
    "lijst": frozenset({Act.LIST}),
    "lezen": frozenset({Act.LIST, Act.READ}),
    "downloaden": frozenset({Act.LIST, Act.READ, Act.DOWNLOAD}),
}
# "Vertrouwelijk" is not on the form: the policy denies it to helpers chosen by a citizen.
DEGREES = (Sensitivity.GEWOON, Sensitivity.GEVOELIG)
_LONGEST_PURPOSE = 120
_CONSENT = "toestemming"
# Idempotency key of the review page, so that two clicks make one offer.
_KEY = "sleutel"
_A_KEY = re.compile(r"[A-Za-z0-9_-]{22}")


@router.get("/machtigingen/aanbieden")
async def ask(request: Request, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """Show the form with careful defaults: no health letters, none before today, ninety days."""
    today = day_in_the_netherlands(oauth_services(request).clock.now())
    opened = blank(
        request,
        soort=Capacity.RELATIVE.value,
        uitgesloten=[Theme.ZORG.value],
        gevoelig=Sensitivity.GEWOON.value,
        mag="lezen",
        duur="90",
        **day_boxes("vanaf", today),
    )
    agencies = await all_agencies(session)
    if opened.one("akkoord") == "ja":  # a saved form, submitted from the review page
        return await _repeat_again(request, session, visitor, agencies, opened)
    return _form(request, agencies, opened)


@router.post("/machtigingen/aanbieden")
async def answer(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> HTMLResponse:
    """Show the review page; with `akkoord=ja` and that page's key, make the offer, once."""
    sent = await filled(request)
    agencies = await all_agencies(session)
    services = oauth_services(request)
    at: datetime = services.clock.now()
    terms = read_terms(sent, {agency.oin for agency in agencies}, services.delegation_limits, at)
    if terms is None:
        return _form(request, agencies, sent, status=400)
    if sent.one("akkoord") == "wijzig":
        return _form(request, agencies, sent)
    said = views.agreement(terms.capacity, terms.purpose, terms.scope, terms.period, await views.catalogue(session))
    key = sent.one(_KEY)
    if sent.one("akkoord") != "ja" or not _A_KEY.fullmatch(key):
        return page(request, "aanbieden_controle.html", said=said, sent=sent, key=random_token(128))
    giver = Giver(visitor.person_id, visitor.assurance, key)
    try:
        offered = await offer(session, services.keyring, services.delegation_limits, giver, terms, at=at)
    except InvalidInput as error:
        _take_over(sent, error)
        return _form(request, agencies, sent, status=400)
    except Conflict:  # caught here, so that the journal line is committed
        return await _show_earlier_offer(request, session, giver)
    until = min(at + services.delegation_limits.code_valid, terms.period.ends_at)
    shown = "aangeboden.html"
    return page(request, shown, said=said, code=offered.code, word=offered.word, code_until=until, renewed=False)


async def _show_earlier_offer(request: Request, session: AsyncSession, giver: Giver) -> HTMLResponse:
    services = oauth_services(request)
    made = MachtigingId(made_with(services.keyring, giver))
    code = await views.code_to_renew(session, made, giver.person_id, services.clock.now())
    return page(request, "aanbod_al_gemaakt.html", status=409, machtiging_id=made, code=code, renewed=False)


async def _repeat_again(
    request: Request, session: AsyncSession, visitor: Visitor, agencies: list[AgencyView], kept: Filled
) -> HTMLResponse:
    """Show the review page of a saved form with its key, or its earlier offer."""
    services = oauth_services(request)
    terms = read_terms(kept, {agency.oin for agency in agencies}, services.delegation_limits, services.clock.now())
    key = kept.one(_KEY)
    if terms is None or not _A_KEY.fullmatch(key):
        return _form(request, agencies, kept)
    giver = Giver(visitor.person_id, visitor.assurance, key)
    if await machtiging_of(session, MachtigingId(made_with(services.keyring, giver)), visitor.person_id) is not None:
        return await _show_earlier_offer(request, session, giver)
    said = views.agreement(terms.capacity, terms.purpose, terms.scope, terms.period, await views.catalogue(session))
    return page(request, "aanbieden_controle.html", said=said, sent=kept, key=key)


def _form(request: Request, agencies: list[AgencyView], sent: Filled, *, status: int = 200) -> HTMLResponse:
    return page(
        request,
        "aanbieden.html",
        status=status,
        sent=sent,
        agency_options=[(agency.oin, agency.name) for agency in agencies],
        theme_options=[(theme.value, word) for theme, word in words.THEME.items()],
        sensitivity_options=[(degree.value, words.SENSITIVITY[degree]) for degree in DEGREES],
        lengths=LENGTHS,
    )


# Field names of the domain rules, and those of the form.
_PLACES = {
    "capacity": "soort",
    "purpose": "doel",
    "afzenders": "afzenders",
    "themes": "uitgesloten",
    "letters_from": "vanaf",
    "acts": "mag",
}


def _take_over(sent: Filled, error: InvalidInput) -> None:
    """Copy the faults of the domain rules to the form fields."""
    for name, sentence in (error.fields or {"ends_at": error.public}).items():
        sent.wrong(_PLACES.get(name, "duur"), sentence)


def read_terms(sent: Filled, oins: set[str], limits: Limits, at: datetime) -> Terms | None:
    """Read the terms from a form; None, with all faults noted, if any is invalid."""
    capacity = sent.choice(
        "soort", {choice.value for choice in CAPACITIES_TO_CHOOSE}, missing="Kies wie u gaat helpen."
    )
    purpose = sent.text("doel", most=_LONGEST_PURPOSE, missing="Schrijf op waarvoor u hulp wilt.")
    senders = sent.choices("afzenders", oins | {ALL_SENDERS}, missing="Kies minstens één organisatie.")
    excluded = sent.choices("uitgesloten", {theme.value for theme in Theme})
    degree = sent.choice("gevoelig", {degree.value for degree in DEGREES}, missing="Kies hoe persoonlijk.")
    letters_from = _letters_from(sent, at)
    acts = sent.choice("mag", ACTS, missing="Kies wat de helper mag doen.")
    ends_at = _end(sent, limits, at)
    if sent.faults or letters_from is None or ends_at is None:
        return None
    scope = Scope(
        afzenders=None if ALL_SENDERS in senders else senders,
        diensten=None,
        themes=None,
        excluded_themes=frozenset(map(Theme, excluded)),
        highest_sensitivity=Sensitivity(degree),
        letters_from=letters_from,
        acts=ACTS[acts],
    )
    return Terms(Capacity(capacity), purpose, _CONSENT, scope, Period(at, ends_at))


def _letters_from(sent: Filled, at: datetime) -> date | None:
    day = sent.day("vanaf", missing="Vul in vanaf welke dag de helper brieven mag zien.")
    if day is not None and day > day_in_the_netherlands(at):
        sent.wrong("vanaf", "Deze dag moet vandaag zijn of eerder. Nieuwe brieven ziet de helper vanzelf.")
    return day


def _end(sent: Filled, limits: Limits, at: datetime) -> datetime | None:
    """Return the end of the last day. A duration counts from tomorrow, so today is extra."""
    how_long = sent.choice("duur", {*LENGTHS, OWN_END}, missing="Kies hoe lang de machtiging geldt.")
    today = day_in_the_netherlands(at)
    if how_long == OWN_END:
        last_day = sent.day("einde", missing="Vul de laatste dag in.")
        if last_day is not None and last_day < today:
            sent.wrong("einde", "Deze dag is al voorbij. Kies een latere dag.")
    else:
        last_day = _last_day_of(how_long, today) if how_long in LENGTHS else None
    if last_day is None:
        return None
    if last_day > limits.latest_day(today):
        sent.wrong("einde" if how_long == OWN_END else "duur", f"Een machtiging duurt hoogstens {limits.longest}.")
    return end_of_day(last_day)


def _last_day_of(how_long: str, today: date) -> date:
    return add_years(today, 1) if how_long == A_YEAR else today + timedelta(days=int(how_long))
