"""The offers of citizens to an organisation: look, accept or refuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.delegation.assignments.acting_employee import describe_login
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.directed_offers.decision import accept_directed_offer, refuse_directed_offer
from machtiging.delegation.directed_offers.queries import compute_offer_end, list_offers_to
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.people import load_profiles
from machtiging.identity.profile_claims import Profile
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import Conflict, NotAllowed
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.message_catalogue import describe_refusal, get_sentence
from machtiging.portal import views
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.organisation.clients import describe_birth_date
from machtiging.portal.organisation.office import Office, open_office
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
LIST = "/organisatie/aangeboden"
PATH = LIST + "/{machtigingId}"
OfferIdInPath = Annotated[UUID, Path(alias="machtigingId")]
_ACCEPT, _REFUSE = "aannemen", "weigeren"


@dataclass(frozen=True, slots=True)
class OfferLine:
    """An offer in the list. `until`: the organisation can accept before it."""

    id: UUID
    name: str
    born: str
    purpose: str
    ends_at: datetime
    until: datetime


@router.get(LIST)
async def show_offers(
    request: Request, visitor: Citizen, session: Transaction, gedaan: str | None = None
) -> HTMLResponse:
    """List what citizens offered to the visitor's organisation, the newest first."""
    office, offers, profiles = await _load_offers(request, session, visitor)
    return _render_list(request, office, offers, profiles, is_refused=gedaan == "geweigerd")


def _render_list(
    request: Request,
    office: Office,
    offers: Sequence[Authority],
    profiles: Mapping[PersonId, Profile],
    *,
    is_refused: bool = False,
    refusal: str = "",
    status: int = 200,
) -> HTMLResponse:
    return render_page(
        request,
        "organisation_offers.html",
        status=status,
        office=office,
        offers=[_describe(one, profiles.get(one.vertegenwoordigde_id)) for one in offers],
        is_refused=is_refused,
        refusal=refusal,
    )


@router.get(PATH)
async def show_offer(
    request: Request, machtiging_id: OfferIdInPath, visitor: Citizen, session: Transaction
) -> Response:
    """Show one open offer. What is decided, expired or of others leads back to the list."""
    return await _render_offer(request, session, visitor, machtiging_id, make_blank_form(request))


@router.post(PATH)
async def submit_offer_decision(
    request: Request, machtiging_id: OfferIdInPath, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Accept or refuse. The same press again changes nothing. Raises NotFound `machtiging_onbekend`."""
    at, sent = access_services(request).clock.now(), await read_submitted_form(request)
    choice = sent.read_choice("besluit", {_ACCEPT, _REFUSE}, missing=get_sentence("organisation.offer.choose"))
    if sent.faults:
        return await _render_offer(request, session, visitor, machtiging_id, sent, status=400)
    decide = accept_directed_offer if choice == _ACCEPT else refuse_directed_offer
    try:
        await decide(session, describe_login(visitor), MachtigingId(machtiging_id), at=at)
    except (Conflict, NotAllowed) as refusal:  # caught here, so that the journal line is committed
        sent.add_fault("besluit", describe_refusal(refusal))
        status = 409 if isinstance(refusal, Conflict) else 403
        return await _render_offer(request, session, visitor, machtiging_id, sent, status=status)
    return RedirectResponse("/organisatie?gedaan=aangenomen" if choice == _ACCEPT else LIST + "?gedaan=geweigerd", 303)


async def _load_offers(
    request: Request, session: AsyncSession, visitor: Visitor
) -> tuple[Office, list[Authority], Mapping[PersonId, Profile]]:
    services = access_services(request)
    at = services.clock.now()
    office = await open_office(session, services.keyring, visitor, at=at)
    offers = await list_offers_to(session, office.leader.organisation.id, at=at)
    profiles = await load_profiles(session, services.keyring, [one.vertegenwoordigde_id for one in offers])
    return office, offers, profiles


def _describe(offer: Authority, profile: Profile | None) -> OfferLine:
    root = offer.root
    return OfferLine(
        id=root.id,
        name=views.name_of_profile(profile),
        born=describe_birth_date(profile),
        purpose=root.purpose,
        ends_at=root.period.ends_at,
        until=compute_offer_end(root),
    )


async def _render_offer(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    machtiging_id: UUID,
    sent: SubmittedForm,
    *,
    status: int = 200,
) -> Response:
    office, offers, profiles = await _load_offers(request, session, visitor)
    found = next((one for one in offers if one.machtiging_id == machtiging_id), None)
    if found is None and status == 200:
        return RedirectResponse(LIST, 303)
    if found is None:
        refusal = next(iter(sent.faults.values()))
        return _render_list(request, office, offers, profiles, refusal=refusal, status=status)
    return render_page(
        request,
        "organisation_offer.html",
        status=status,
        sent=sent,
        office=office,
        offer=_describe(found, profiles.get(found.vertegenwoordigde_id)),
        said=views.describe_machtiging(found.root, await views.load_agency_names(session)),
        action=f"{LIST}/{machtiging_id}",
    )
