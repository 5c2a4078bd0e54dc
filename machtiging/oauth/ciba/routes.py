"""The person's pages for CIBA: the meldcode and the pending requests. They work without scripts."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen
from machtiging.kernel.errors import Conflict, InvalidInput
from machtiging.message_catalogue import describe_refusal
from machtiging.oauth.ciba.decision import BackchannelDecision, decide_backchannel_request
from machtiging.oauth.ciba.meldcode import create_meldcode
from machtiging.oauth.ciba.requests_page import render_requests_page
from machtiging.oauth.ciba.rules import MELDCODE_LIFETIME
from machtiging.oauth.dependencies import oauth_services
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)


@router.get("/aan-de-balie")
async def show_counter_page(request: Request, visitor: Citizen) -> Response:
    """Show the instructions for a counter, and a button for a meldcode."""
    return render_page(request, "aan_de_balie.html", code=None, visitor=visitor)


@router.post("/aan-de-balie")
async def post_meldcode(request: Request, visitor: Citizen, session: Transaction, _csrf: CsrfProtected) -> Response:
    """Create a meldcode and show it once."""
    services = oauth_services(request)
    at = services.clock.now()
    kvk = visitor.organisation_kvk
    code = await create_meldcode(session, services.keyring, visitor.person_id, organisation_kvk=kvk, at=at)
    minutes = int(MELDCODE_LIFETIME.total_seconds() // 60)
    return render_page(
        request, "aan_de_balie.html", code=code, minutes=minutes, until=at + MELDCODE_LIFETIME, visitor=visitor
    )


@router.get("/verzoeken")
async def show_requests(
    request: Request, visitor: Citizen, session: Transaction, gedaan: str | None = None
) -> Response:
    """Show the pending requests."""
    return await render_requests_page(request, session, visitor, gedaan)


@router.post("/verzoeken")
async def post_decision(request: Request, visitor: Citizen, session: Transaction, _csrf: CsrfProtected) -> Response:
    """Carry out the decision in the form. Raises InvalidInput, or as `decide_backchannel_request`."""
    services, form = oauth_services(request), await request.form(max_files=0)
    request_id, chosen = form.get("verzoek"), form.get("besluit")
    if not isinstance(request_id, str) or chosen not in set(BackchannelDecision):
        raise InvalidInput("besluit_ontbreekt")
    try:
        await decide_backchannel_request(
            session,
            services.details_handler,
            visitor,
            request_id,
            BackchannelDecision(str(chosen)),
            at=services.clock.now(),
        )
    except Conflict as refusal:  # caught here, so that the journal line is committed
        return await render_requests_page(request, session, visitor, None, note=describe_refusal(refusal))
    return RedirectResponse(f"/verzoeken?gedaan={chosen}", 303)
