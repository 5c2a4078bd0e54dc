"""Share one letter with somebody for two weeks: who, a check, and the machtigingscode.

It is an offer like any other, with a scope of this letter only.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.agencies.rules import Sensitivity
from machtiging.crypto.secrets import generate_token
from machtiging.delegation.offer import OFFER_REPEATED, Giver, MachtigingTerms, derive_offer_id, offer_machtiging
from machtiging.delegation.queries import load_machtiging_of_person
from machtiging.delegation.rules import GRANTABLE_ACTS, SELECTABLE_CAPACITIES, Capacity, MachtigingScope
from machtiging.delegation.terms import MAX_LINE_LENGTH, is_helper_name
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.clock import end_of_day, to_dutch_date
from machtiging.kernel.errors import Conflict, InvalidInput
from machtiging.kernel.ids import MachtigingId
from machtiging.kernel.period import Period
from machtiging.message_catalogue import DUTCH, describe_refusal, get_sentence
from machtiging.portal import labels, views
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.giving.code_page import NewCode, render_code_page
from machtiging.portal.giving.draft_pages import render_work_login
from machtiging.portal.giving.review import render_earlier_offer
from machtiging.portal.letters.own_letter import find_own_letter
from machtiging.storage.statement import ResultRow
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
SHARING_DAYS = 14
_CONSENT_BASIS = "toestemming"
# Idempotency key of the check page, so that two clicks make one offer.
_KEY_FIELD = "sleutel"
_KEY_PATTERN = re.compile(r"[A-Za-z0-9_-]{22}")
_YES = "ja"


def can_share(sensitivity: Sensitivity) -> bool:
    """Return False for a letter that the policy shows to no chosen helper."""
    return sensitivity.is_at_most(Sensitivity.GEVOELIG)


@router.get("/brieven/{bericht_id}/delen")
async def show_sharing_form(request: Request, bericht_id: UUID, visitor: Citizen, session: Transaction) -> Response:
    """Ask for the name and the kind of helper. Raises NotFound `bericht_onbekend`."""
    if visitor.is_work_login:
        return render_work_login(request)
    letter = await find_own_letter(session, visitor, bericht_id, at=access_services(request).clock.now())
    opened = make_blank_form(request)
    if opened.first_value("akkoord") == _YES:  # a saved form, submitted from the check page
        return await _answer(request, session, visitor, letter, opened, makes_offer=False)
    return _render_form(request, letter, opened)


@router.post("/brieven/{bericht_id}/delen")
async def submit_sharing_form(
    request: Request, bericht_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Show the check page; with `akkoord=ja` and its key make the offer, once. Raises NotFound `bericht_onbekend`."""
    if visitor.is_work_login:
        return render_work_login(request)
    letter = await find_own_letter(session, visitor, bericht_id, at=access_services(request).clock.now())
    return await _answer(request, session, visitor, letter, await read_submitted_form(request), makes_offer=True)


async def _answer(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    letter: ResultRow,
    sent: SubmittedForm,
    *,
    makes_offer: bool,
) -> HTMLResponse:
    if not can_share(Sensitivity(letter["sensitivity"])):
        return _render_form(request, letter, SubmittedForm())
    terms = _read_terms(request, letter, sent)
    if terms is None:
        return _render_form(request, letter, sent, status=400)
    key = sent.first_value(_KEY_FIELD)
    is_checked = sent.first_value("akkoord") == _YES and _KEY_PATTERN.fullmatch(key) is not None
    if sent.first_value("akkoord") == "wijzig":
        return _render_form(request, letter, sent)
    if not is_checked:
        return await _render_check(request, session, letter, terms, sent, generate_token(128))
    giver = Giver(visitor.person_id, visitor.assurance, f"{letter['id']}/{key}")
    if makes_offer:
        return await _make_offer(request, session, visitor, letter, terms, giver, sent)
    offer_id = MachtigingId(derive_offer_id(access_services(request).keyring, giver))
    if await load_machtiging_of_person(session, offer_id, visitor.person_id) is not None:
        return await render_earlier_offer(request, session, visitor, offer_id)
    return await _render_check(request, session, letter, terms, sent, key)


def _read_terms(request: Request, letter: ResultRow, sent: SubmittedForm) -> MachtigingTerms | None:
    """Read the name and the kind, and build the terms; None with all faults noted."""
    name = sent.read_text("naam", max_length=MAX_LINE_LENGTH, missing=get_sentence("letters.share.fault_name"))
    if not is_helper_name(name):
        sent.add_fault("naam", get_sentence("letters.share.fault_name"))
    kinds = {capacity.value for capacity in SELECTABLE_CAPACITIES}
    kind = sent.read_choice("soort", kinds, missing=get_sentence("letters.share.fault_kind"))
    if sent.faults:
        return None
    at = access_services(request).clock.now()
    scope = MachtigingScope(
        afzenders=None,
        diensten=None,
        themes=None,
        excluded_themes=frozenset(),
        highest_sensitivity=Sensitivity(letter["sensitivity"]),
        letters_from=to_dutch_date(letter["published_at"]),
        acts=GRANTABLE_ACTS,
        letters=frozenset({letter["id"]}),
    )
    period = Period(at, end_of_day(to_dutch_date(at) + timedelta(days=SHARING_DAYS)))
    # The agreement is Dutch, whatever the language of the page. Its purpose names no subject: that is encrypted.
    purpose = get_sentence("letters.share.purpose", DUTCH, sender=letter["afzender_naam"])[:MAX_LINE_LENGTH].rstrip()
    return MachtigingTerms(Capacity(kind), purpose, _CONSENT_BASIS, scope, period, helper_name=name)


def _render_form(request: Request, letter: ResultRow, sent: SubmittedForm, *, status: int = 200) -> HTMLResponse:
    sensitivity = Sensitivity(letter["sensitivity"])
    options = [
        (Capacity.RELATIVE.value, get_sentence("letters.share.relative")),
        (Capacity.PROFESSIONAL.value, get_sentence("letters.share.professional")),
    ]
    values = {"letter": letter, "sent": sent, "options": options, "days": SHARING_DAYS}
    return render_page(request, "brief_delen.html", status=status, can_share=can_share(sensitivity), **values)


async def _render_check(
    request: Request,
    session: AsyncSession,
    letter: ResultRow,
    terms: MachtigingTerms,
    sent: SubmittedForm,
    key: str,
) -> HTMLResponse:
    agreement = await _describe(session, terms)
    kind = labels.CAPACITY_LABELS[terms.capacity]
    values: dict[str, Any] = {"letter": letter, "sent": sent, "key": key, "said": agreement, "kind": kind}
    return render_page(request, "brief_delen_controle.html", name=sent.first_value("naam"), **values)


async def _describe(session: AsyncSession, terms: MachtigingTerms) -> views.AgreementView:
    names = await views.load_agency_names(session)
    return views.describe_agreement(terms.capacity, terms.purpose, terms.scope, terms.period, names)


async def _make_offer(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    letter: ResultRow,
    terms: MachtigingTerms,
    giver: Giver,
    sent: SubmittedForm,
) -> HTMLResponse:
    services, at = access_services(request), terms.period.starts_at
    try:
        offered = await offer_machtiging(session, services.keyring, services.delegation_limits, giver, terms, at=at)
    except InvalidInput as error:
        sent.add_fault("naam", describe_refusal(error))
        return _render_form(request, letter, sent, status=400)
    except Conflict as refusal:  # caught here, so that the journal line is committed
        if refusal.code != OFFER_REPEATED:
            sent.add_fault("naam", describe_refusal(refusal))
            return _render_form(request, letter, sent, status=409)
        offer_id = MachtigingId(derive_offer_id(services.keyring, giver))
        return await render_earlier_offer(request, session, visitor, offer_id)
    until = min(at + services.delegation_limits.code_lifetime, terms.period.ends_at)
    new_code = NewCode(offered.code, offered.check_word, until, terms.helper_name or "")
    return render_code_page(request, new_code, await _describe(session, terms), renewed=False)
