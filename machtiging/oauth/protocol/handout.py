"""Build the whole token response before anything is written.

All tokens are then persisted at once: an access token; with scope openid an ID token; for clients that may refresh, the
next refresh token.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.oauth import issue
from machtiging.oauth.issue import Consented, Made, Order
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.openid import id_token
from machtiging.oauth.openid.release import beside, for_id_token
from machtiging.oauth.protocol.bridge import WireRequest
from machtiging.oauth.refresh.hand_out import Fresh, fresh, keep
from machtiging.storage.statement import Work


@dataclass(frozen=True, slots=True)
class Handout:
    """The tokens to persist, and the token response of the client."""

    made: Made
    fresh: Fresh | None
    response: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Share:
    """The requested part of a grant: token spec, consented resource, ID token or not."""

    consented: Consented
    order: Order
    resource: str | None
    says_who: bool
    nonce: str | None = None


async def for_consent(work: Work, issuer: Issuer, request: WireRequest, share: Share, *, at: datetime) -> Handout:
    """Build all tokens for a person's grant.

    Raises Fault.

    The only database access is a query for the person's name.
    """
    client, held = request.client, share.consented
    made = issue.for_person(issuer, client, held, at=at, order=share.order)
    response = dict(made.response)
    if share.says_who:
        more = await for_id_token(work, issuer.keyring, held.grant)
        more |= beside(response["access_token"], client.id_token_alg)
        response["id_token"] = id_token.made(issuer, client, held, share.nonce, at=at, more=more)
    if held.grant.managed:
        response["grant_id"] = str(held.grant.id)
    following = fresh(client, held, request.binding, resource=share.resource, at=at)
    if following is not None:
        response["refresh_token"] = following.text
    return Handout(made, following, response)


def for_client(made: Made) -> Handout:
    """Wrap an access token of the client itself: no other token goes with it."""
    return Handout(made, None, made.response)


async def written_down(session: AsyncSession, handout: Handout) -> None:
    """Persist the issued tokens. Raises OAuthRefusal `invalid_client` when the client was suspended meanwhile."""
    await issue.write_down(session, handout.made)
    if handout.fresh is not None:
        await keep(session, handout.fresh)
