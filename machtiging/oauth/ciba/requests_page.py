"""The page with the pending CIBA requests of a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fastapi import Request as HttpRequest
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from machtiging.access_tokens.representation import OTHER_ORGANISATION
from machtiging.identity.session import Visitor
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import GrantId
from machtiging.message_catalogue import get_sentence
from machtiging.oauth import queries
from machtiging.oauth.authorization_details.handler import AccessFact
from machtiging.oauth.authorize.consent_view import ConsentView, build_consent_view
from machtiging.oauth.authorize.decision import ConsentPrompt
from machtiging.oauth.authorize.grantable_access import list_grantable_access
from machtiging.oauth.authorize.pushed_requests import RequestReference
from machtiging.oauth.ciba.decision import BackchannelDecision, find_step_up_level
from machtiging.oauth.ciba.queries import PendingBackchannelRequest, find_last_answer, list_pending_requests
from machtiging.oauth.dependencies import build_issuer, oauth_services
from machtiging.oauth.errors import OAuthRefusal
from machtiging.oauth.grant_management.consents import has_access
from machtiging.oauth.request_parameters.resource_indicators import find_target
from machtiging.web.pages import format_moment, render_page

# The message keys of title and text.
_DENIAL_TEXTS = {
    BackchannelDecision.DENY: ("counter.done.denied", "counter.done.denied_text"),
    BackchannelDecision.NOT_REQUESTED: ("counter.done.not_requested", "counter.done.not_requested_text"),
}


@dataclass(frozen=True, slots=True)
class DecisionConfirmation:
    """The confirmation of a decision. `grant_id`: the access that the person can still stop."""

    title: str
    text: str
    grant_id: GrantId | None = None


@dataclass(frozen=True, slots=True)
class PendingRequestView:
    """One pending request on the page.

    `consent_view` is None when this login cannot approve it. `level`: the level of a step-up login that could.
    """

    waiting: PendingBackchannelRequest
    consent_view: ConsentView | None
    level: Assurance | None
    other_organisation: bool = False

    @property
    def rows(self) -> list[AccessFact]:
        """The rows about counter and access, if this login can approve the request."""
        if (view := self.consent_view) is None:
            return []
        counter = get_sentence("counter.requests.known_app", app=view.app)
        duration = get_sentence("counter.requests.how_long", n=view.minutes)
        return [
            AccessFact(get_sentence("counter.requests.counter"), counter),
            AccessFact(get_sentence("counter.requests.asked_at"), format_moment(self.waiting.requested_at)),
            *view.access_rows,
            view.identity_row,
            AccessFact(get_sentence("consent.row.how_long"), duration),
        ]


async def render_requests_page(
    request: HttpRequest, session: AsyncSession, visitor: Visitor, decision_done: str | None, *, note: str | None = None
) -> Response:
    """Render all pending requests. `note`: the text for a decision that came too late or twice."""
    at = oauth_services(request).clock.now()
    waiting = await list_pending_requests(session, visitor.person_id, at)
    shown = [await _build_request_view(request, session, visitor, one) for one in waiting]
    done = None
    if decision_done in set(BackchannelDecision):
        done = await _confirm_decision(request, session, visitor, BackchannelDecision(decision_done), at)
    status = 409 if note else 200
    return render_page(request, "verzoeken.html", status=status, shown=shown, done=done, note=note, visitor=visitor)


async def _confirm_decision(
    request: HttpRequest, session: AsyncSession, visitor: Visitor, decision: BackchannelDecision, at: datetime
) -> DecisionConfirmation | None:
    """Build the confirmation of this decision. None without such a decision: anybody can type the URL."""
    approved = decision is BackchannelDecision.APPROVE
    answered = await find_last_answer(session, visitor.person_id, approved=approved)
    if answered is None:
        return None
    if not approved:
        title, text = map(get_sentence, _DENIAL_TEXTS[decision])
        return DecisionConfirmation(title, text)
    services = oauth_services(request)
    grant = None if answered.grant_id is None else await queries.find_grant(session, answered.grant_id)
    if grant is None or not await has_access(session, services.details_handler, grant, at=at):
        return DecisionConfirmation(get_sentence("counter.done.stopped"), get_sentence("counter.done.stopped_text"))
    minutes = max(1, services.access_token_seconds // 60)
    text = get_sentence("counter.done.approved_text", app=answered.app, n=minutes)
    return DecisionConfirmation(get_sentence("counter.done.approved"), text, answered.grant_id)


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
    return PendingRequestView(pending, await build_consent_view(request, session, visitor, asking), None)
