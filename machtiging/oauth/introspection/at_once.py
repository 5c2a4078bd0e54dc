"""Fast path of introspection: client check, assertion and token lookup in one statement.

It serves resource servers with a client assertion, no certificate, and an access token: nearly all requests. It never
refuses. For anything else than a plain answer it gives up, having written nothing, and `routes` evaluates the request
again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select, true

from machtiging.access import tokens
from machtiging.kernel.ids import TokenId
from machtiging.oauth import queries
from machtiging.oauth.client import PRIVATE_KEY_JWT, Client
from machtiging.oauth.clients.known import Known, KnownClients
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.protocol.assertion import assertion_in, one_method, proved
from machtiging.oauth.protocol.client_auth import taking, to_take
from machtiging.oauth.protocol.token_endpoints import Says, may_know, says, token_of
from machtiging.storage.statement import Found, Statement, Work

_asker = queries.STILL_THAT_CLIENT.cte("asker")
_assertion = taking(_asker)
_token = queries.TOKEN_STANDING.subquery("standing")
_AT_ONCE = Statement(
    select(_assertion.c.client_id.label("first_use"), *_token.c).select_from(
        _asker.outerjoin(_assertion, true()).outerjoin(_token, true())
    )
)
_NO_TOKEN = TokenId(UUID(int=0))


class Answer(NamedTuple):
    """The client and its introspection response."""

    client: Client
    told: dict[str, Any]


def fits(headers: Mapping[str, str], form: Mapping[str, str]) -> bool:
    """Check that a request qualifies for the fast path. A refresh token has no dot."""
    return "client_assertion" in form and "." in form.get("token", "") and "client-cert" not in headers


async def at_once(
    work: Work, clients: KnownClients, issuer: Issuer, headers: Mapping[str, str], form: Mapping[str, str], at: datetime
) -> Answer | None:
    """Introspect in one statement; None when the ordinary path must decide.

    Raises OAuthRefusal and JwksFetchRequired, which the ordinary path must confirm, because the cached client may be
    stale.
    """
    one_method(form, headers)
    assertion = assertion_in(form)
    if assertion is None:
        return None
    known = clients.get(assertion.subject) or await _looked(work, clients, assertion.subject)
    if known is None or known.client.auth_method != PRIVATE_KEY_JWT:
        return None
    client, answer = known.client, None
    try:
        jti = proved(assertion, client, form.get("client_id"), issuer.url, at)
        said = says(issuer, form["token"], None, at)
        row = await _acted(work, known, jti, said, at)
        if row is not None and row["first_use"] is not None:
            there = row["t_id"] is not None and await tokens.authentic_state(work, row, at) is not None
            answer = Answer(client, _told(client, issuer, said if there else None, row, at))
    finally:
        if answer is None:  # the cached client may be stale
            clients.forget(client.client_id)
    return answer


async def _looked(work: Work, clients: KnownClients, client_id: str) -> Known | None:
    seen = await queries.client_seen(work, client_id)
    if seen is None:
        return None
    known = Known(*seen)
    clients.keep(known)
    return known


async def _acted(work: Work, known: Known, jti: str, said: Says | None, at: datetime) -> Found | None:
    """Run the one statement; None when the client changed since it was cached. Then nothing was written."""
    token = _NO_TOKEN if said is None else said.jti
    seen = {"client_id": known.client.client_id, "version": known.version, "jti": token}
    return await _AT_ONCE.one(work, seen | to_take(known.client.client_id, jti, at))


def _told(client: Client, issuer: Issuer, said: Says | None, row: Found, at: datetime) -> dict[str, Any]:
    """Build the introspection response for this client (RFC 7662 2.2). Any failed check gives `active: false`."""
    found = None if said is None else queries.standing_in(row, at)
    token = None if said is None else token_of(issuer, said, found)
    if token is None or not token.live or not may_know(client, token, issuer):
        return {"active": False}
    return token.told()
