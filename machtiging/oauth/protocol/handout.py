"""All that one token request gives, made and signed before anything is written: whoever writes it down does so at once.

An access token always; for a person who logged in an ID token; for a client that gets one the next refresh token.
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
    """What there is to write down, and what the client is told then."""

    made: Made
    fresh: Fresh | None
    response: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Share:
    """What of a consent is asked: the order, the resource that was consented to, whether to say who logged in."""

    consented: Consented
    order: Order
    resource: str | None
    says_who: bool
    nonce: str | None = None


async def for_consent(work: Work, issuer: Issuer, request: WireRequest, share: Share, *, at: datetime) -> Handout:
    """The tokens for a person's consent. Raises Fault; asks the database for the name of the person at most."""
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
    """A token of a client itself: there is nothing with it."""
    return Handout(made, None, made.response)


async def written_down(session: AsyncSession, handout: Handout) -> None:
    """Write it down. Raises OAuthRefusal `invalid_client` when the client was suspended meanwhile."""
    await issue.write_down(session, handout.made)
    if handout.fresh is not None:
        await keep(session, handout.fresh)
