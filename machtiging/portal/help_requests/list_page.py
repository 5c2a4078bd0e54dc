"""The requests of a relative: list, page with the code, and withdrawal."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.delegation.help_requests.creation import format_request_code, withdraw_help_request
from machtiging.delegation.help_requests.queries import list_own_requests, load_own_request
from machtiging.delegation.help_requests.rules import HelpRequest, HelpRequestState
from machtiging.documents.qr import make_qr_svg
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.dependencies import identity_services
from machtiging.identity.session import Citizen
from machtiging.kernel.clock import end_of_day
from machtiging.kernel.errors import Conflict, NotFound
from machtiging.kernel.period import Period
from machtiging.message_catalogue import CatalogueLabels, get_sentence
from machtiging.portal import views
from machtiging.portal.giving.draft_pages import render_work_login
from machtiging.portal.help_requests.wizard import LIST, START
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
# The page on which the citizen types the code.
CODE_FORM = "/helpers/vraag"
STATE_LABELS: Mapping[HelpRequestState, str] = CatalogueLabels("requests.state", HelpRequestState)
STATE_TONES = {
    HelpRequestState.WAITING: "waiting",
    HelpRequestState.AGREED: "good",
    HelpRequestState.REFUSED: "refused",
    HelpRequestState.WITHDRAWN: "stopped",
    HelpRequestState.EXPIRED: "stopped",
}


@router.get(LIST)
async def show_requests(request: Request, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """List the requests of the visitor with their state, newest first."""
    if visitor.is_work_login:
        return render_work_login(request)
    services = access_services(request)
    at = services.clock.now()
    found = await list_own_requests(session, services.keyring, visitor.person_id)
    return render_page(
        request,
        "help_request_list.html",
        requests=[(one, one.state_at(at)) for one in found],
        state_labels=STATE_LABELS,
        tones=STATE_TONES,
        start=START,
        list_path=LIST,
    )


@router.get(LIST + "/{vraag_id}")
async def show_request(request: Request, vraag_id: UUID, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """Show one request; while it waits, also its code. Raises NotFound `hulpvraag_onbekend`."""
    if visitor.is_work_login:
        return render_work_login(request)
    services = access_services(request)
    found = await load_own_request(session, services.keyring, vraag_id, visitor.person_id)
    if found is None:
        raise NotFound("hulpvraag_onbekend")
    state = found.state_at(services.clock.now())
    code = format_request_code(found) if state is HelpRequestState.WAITING else ""
    address = identity_services(request).issuer + CODE_FORM
    names = await views.load_agency_names(session)
    return render_page(
        request,
        "help_request_page.html",
        found=found,
        state=state,
        state_label=STATE_LABELS[state],
        tone=STATE_TONES[state],
        code=code,
        address=address,
        link=f"{address}#{code}",
        qr=draw_code(f"{address}#{code}") if code else "",
        said=describe_request(found, names, found.created_at),
        list_path=LIST,
    )


@router.post(LIST + "/{vraag_id}/intrekken")
async def submit_withdrawal(
    request: Request, vraag_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Withdraw a request. What was answered or expired meanwhile is shown as it is."""
    if visitor.is_work_login:
        return render_work_login(request)
    services = access_services(request)
    with suppress(Conflict):  # caught here, so that the journal line is committed
        await withdraw_help_request(session, services.keyring, vraag_id, visitor.person_id, at=services.clock.now())
    return RedirectResponse(f"{LIST}/{vraag_id}", 303)


def describe_request(found: HelpRequest, names: views.AgencyNames, starts_at: datetime) -> views.AgreementView:
    """Describe what was requested, in the words of an agreement."""
    period = Period(starts_at, end_of_day(found.last_day))
    return views.describe_agreement(found.capacity, found.words.purpose, found.scope, period, names)


def draw_code(link: str) -> str:
    """Draw the link as a QR code, as a data URL. The code is in the fragment, which reaches no server."""
    drawing = make_qr_svg(link, get_sentence("requests.page.qr_title"))
    drawing = drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return "data:image/svg+xml;base64," + base64.b64encode(drawing.encode()).decode()
