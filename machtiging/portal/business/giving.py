"""The form in which a director gives: an organisation, then the terms."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.delegation.businesses.directors import NO_DIRECTOR, Director, describe_director_login
from machtiging.delegation.businesses.giving import offer_for_business, require_viewing_director
from machtiging.delegation.offer import OFFER_REPEATED
from machtiging.delegation.rules import Capacity
from machtiging.delegation.terms import MAX_LINE_LENGTH, MachtigingTerms, is_purpose
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.clock import end_of_day
from machtiging.kernel.errors import Conflict, NotAllowed, NotFound
from machtiging.kernel.period import Period
from machtiging.message_catalogue import describe_refusal, get_sentence
from machtiging.organisations.register import (
    MAX_FOUND,
    RecognisedOrganisation,
    load_recognised_organisation,
    search_recognised,
)
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.giving.answers import (
    CONSENT_BASIS,
    GivingFacts,
    LetterSelection,
    build_scope,
    read_end,
    read_reading,
)
from machtiging.portal.helping.paths import BUSINESS_ROOT
from machtiging.portal.organisation.office import KEY_FIELD, read_key
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
CHOOSE = BUSINESS_ROOT + "/helpers/nieuw"
PATH = CHOOSE + "/{organisatieId}"
OrganisationIdInPath = Annotated[UUID, Path(alias="organisatieId")]
_EVERYTHING = LetterSelection(None, None, frozenset())


@router.get(CHOOSE)
async def show_organisations(
    request: Request,
    visitor: Citizen,
    session: Transaction,
    zoek: Annotated[str, Query(max_length=100)] = "",
) -> HTMLResponse:
    """Find the organisation that will help: an office, or the business itself. Raises NotAllowed `geen_bestuurder`."""
    at = access_services(request).clock.now()
    director = await require_viewing_director(session, describe_director_login(visitor), at=at)
    found = await search_recognised(session, zoek, at=at, limit=MAX_FOUND)
    own = await load_recognised_organisation(session, director.business_id, at=at)
    return render_page(
        request,
        "business_choose.html",
        on_behalf_of=director.business_name,
        sent=make_blank_form(request, zoek=zoek),
        own=own,
        found=[one for one in found if own is None or one.id != own.id],
        root=CHOOSE,
    )


@router.get(PATH)
async def show_terms(
    request: Request, organisation_id: OrganisationIdInPath, visitor: Citizen, session: Transaction
) -> HTMLResponse:
    """Show the form with the terms. Raises NotFound `organisatie_onbekend`, NotAllowed `geen_bestuurder`."""
    return await _render_terms(request, session, visitor, organisation_id, make_blank_form(request))


@router.post(PATH)
async def submit_terms(
    request: Request, organisation_id: OrganisationIdInPath, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Offer it. The same press again leads to the same page."""
    services, sent = access_services(request), await read_submitted_form(request)
    at = services.clock.now()
    terms = _read_terms(sent, GivingFacts(frozenset(), services.delegation_limits, at))
    if terms is None:
        return await _render_terms(request, session, visitor, organisation_id, sent, status=400)
    login = describe_director_login(visitor)
    try:
        offered = await offer_for_business(
            session,
            services.keyring,
            services.delegation_limits,
            login,
            terms,
            offered_to=organisation_id,
            idempotency_key=read_key(sent),
            at=at,
        )
    except (Conflict, NotAllowed) as refusal:  # caught here, so that the journal line is committed
        if refusal.code == OFFER_REPEATED:
            return RedirectResponse(f"{BUSINESS_ROOT}?gedaan=aangeboden", 303)
        if refusal.code == NO_DIRECTOR:
            return render_page(request, "business_none.html", status=403)
        sent.add_fault("doel", describe_refusal(refusal))
        status = 409 if isinstance(refusal, Conflict) else 403
        return await _render_terms(request, session, visitor, organisation_id, sent, status=status)
    return RedirectResponse(f"{BUSINESS_ROOT}/helpers/{offered.machtiging_id}?gedaan=aangeboden", 303)


def _read_terms(sent: SubmittedForm, facts: GivingFacts) -> MachtigingTerms | None:
    """Read the answers; None with all faults noted."""
    purpose = sent.read_text("doel", max_length=MAX_LINE_LENGTH, missing=get_sentence("giving.who.purpose_missing"))
    if purpose and not is_purpose(purpose):
        sent.add_fault("doel", get_sentence("doel_ongeldig"))
    reading, last_day = read_reading(sent, facts), read_end(sent, facts)
    if sent.faults or reading is None or last_day is None:
        return None
    period = Period(facts.at, end_of_day(last_day))
    scope = build_scope(_EVERYTHING, reading)
    return MachtigingTerms(Capacity.PROFESSIONAL, purpose, CONSENT_BASIS, scope, period)


async def _render_terms(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    organisation_id: UUID,
    sent: SubmittedForm,
    *,
    status: int = 200,
) -> HTMLResponse:
    at = access_services(request).clock.now()
    director = await require_viewing_director(session, describe_director_login(visitor), at=at)
    organisation = await load_recognised_organisation(session, organisation_id, at=at)
    if organisation is None and status in (200, 400):
        raise NotFound("organisatie_onbekend")
    return render_page(
        request,
        "business_terms.html",
        status=status,
        on_behalf_of=director.business_name,
        sent=sent,
        organisation=_name_recipient(organisation, director),
        back=CHOOSE,
        key_field=KEY_FIELD,
        key=read_key(sent),
    )


def _name_recipient(organisation: RecognisedOrganisation | None, director: Director) -> str:
    """Return the name of the organisation; words for the business itself."""
    if organisation is None:
        return get_sentence("giving.organisation.unknown")
    is_own = organisation.id == director.business_id
    return get_sentence("business.own_employees", name=organisation.name) if is_own else organisation.name
