"""The page with the pending CIBA requests of a person."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request as HttpRequest
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from machtiging.access_tokens.representation import OTHER_ORGANISATION
from machtiging.identity.session import Visitor
from machtiging.kernel.assurance import Assurance
from machtiging.oauth.authorize.consent_page import ConsentView, build_consent_view
from machtiging.oauth.authorize.decision import ConsentPrompt
from machtiging.oauth.authorize.grantable_access import list_grantable_access
from machtiging.oauth.authorize.pushed_requests import RequestReference
from machtiging.oauth.ciba.decision import BackchannelDecision, find_step_up_level
from machtiging.oauth.ciba.queries import PendingBackchannelRequest, has_answered, list_pending_requests
from machtiging.oauth.dependencies import build_issuer, oauth_services
from machtiging.oauth.errors import OAuthRefusal
from machtiging.oauth.request_parameters.resource_indicators import find_target
from machtiging.web.pages import render_page

_CONFIRMATIONS = {
    BackchannelDecision.APPROVE: "U heeft ja gezegd. De balie kan nu verder.",
    BackchannelDecision.DENY: "U heeft nee gezegd. De app krijgt niets te zien.",
    BackchannelDecision.NOT_REQUESTED: (
        "Goed dat u dit meldt. De app krijgt niets te zien. Wij hebben dit opgeschreven."
    ),
}


@dataclass(frozen=True, slots=True)
class PendingRequestView:
    """One pending request on the page.

    `consent_view` is None when this login cannot approve it. `level`: the level of a step-up login that could.
    """

    waiting: PendingBackchannelRequest
    consent_view: ConsentView | None
    level: Assurance | None
    other_organisation: bool = False


async def render_requests_page(
    request: HttpRequest, session: AsyncSession, visitor: Visitor, decision_done: str | None, *, note: str | None = None
) -> Response:
    """Render all pending requests. `note`: the text for a decision that came too late or twice."""
    at = oauth_services(request).clock.now()
    waiting = await list_pending_requests(session, visitor.person_id, at)
    shown = [await _build_request_view(request, session, visitor, one) for one in waiting]
    message = None
    if decision_done in set(BackchannelDecision) and await has_answered(
        session, visitor.person_id, approved=decision_done == BackchannelDecision.APPROVE
    ):
        message = _CONFIRMATIONS[BackchannelDecision(decision_done)]
    status = 409 if note else 200
    return render_page(
        request, "verzoeken.html", status=status, shown=shown, message=message, note=note, visitor=visitor
    )


async def _build_request_view(
    request: HttpRequest, session: AsyncSession, visitor: Visitor, pending: PendingBackchannelRequest
) -> PendingRequestView:
    services = oauth_services(request)
    try:
        agreement, *_ = await list_grantable_access(
            session, services.details_handler, visitor, pending.parameters, at=services.clock.now()
        )
    except OAuthRefusal as refusal:
        other_organisation = refusal.code == OTHER_ORGANISATION
        return PendingRequestView(pending, None, find_step_up_level(visitor, pending, refusal), other_organisation)
    target = await find_target(session, build_issuer(services), None)
    nowhere = RequestReference(pending.client.client_id, "")
    asking = ConsentPrompt(pending.client, nowhere, "", pending.parameters, agreement, target, visitor)
    return PendingRequestView(pending, await build_consent_view(request, session, asking), None)
