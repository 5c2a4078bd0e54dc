"""The page with the pending CIBA requests of a person."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request as HttpRequest
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from machtiging.delegation.rules import OTHER_ORGANISATION
from machtiging.identity.session import Visitor
from machtiging.kernel.assurance import Assurance
from machtiging.oauth.authorize.agree import agree
from machtiging.oauth.authorize.decide import Question
from machtiging.oauth.authorize.page import Asked, what_is_asked
from machtiging.oauth.authorize.push import Reference
from machtiging.oauth.ciba.decide import Decision, level_wanted
from machtiging.oauth.ciba.queries import Request, has_answered, waiting_for
from machtiging.oauth.dependencies import issuer_of, oauth_services
from machtiging.oauth.errors import OAuthRefusal
from machtiging.oauth.requests.resources import target_of
from machtiging.web.pages import page

_SAID = {
    Decision.AGREE: "U heeft ja gezegd. De balie kan nu verder.",
    Decision.REFUSE: "U heeft nee gezegd. De app krijgt niets te zien.",
    Decision.NOT_MINE: "Goed dat u dit meldt. De app krijgt niets te zien. Wij hebben dit opgeschreven.",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One pending request on the page.

    `asked` is None when this login cannot approve it. `level`: the level of a step-up login that could.
    """

    waiting: Request
    asked: Asked | None
    level: Assurance | None
    other_organisation: bool = False


async def requests_page(
    request: HttpRequest, session: AsyncSession, visitor: Visitor, done: str | None, *, note: str | None = None
) -> Response:
    """Render all pending requests. `note`: the text for a decision that came too late or twice."""
    at = oauth_services(request).clock.now()
    waiting = await waiting_for(session, visitor.person_id, at)
    shown = [await _shown(request, session, visitor, one) for one in waiting]
    message = None
    if done in set(Decision) and await has_answered(session, visitor.person_id, agreed=done == Decision.AGREE):
        message = _SAID[Decision(done)]
    status = 409 if note else 200
    return page(request, "verzoeken.html", status=status, shown=shown, message=message, note=note, visitor=visitor)


async def _shown(request: HttpRequest, session: AsyncSession, visitor: Visitor, waiting: Request) -> Shown:
    services = oauth_services(request)
    try:
        agreement = await agree(session, visitor, waiting.parameters, at=services.clock.now())
    except OAuthRefusal as refusal:
        other_organisation = refusal.code == OTHER_ORGANISATION
        return Shown(waiting, None, level_wanted(visitor, waiting, refusal), other_organisation)
    target = await target_of(session, issuer_of(services), None)
    nowhere = Reference(waiting.client.client_id, "")
    asking = Question(waiting.client, nowhere, "", waiting.parameters, agreement, target, visitor)
    return Shown(waiting, await what_is_asked(request, session, asking), None)
