"""Fast path of introspection: client check, assertion and token lookup in one statement.

It serves resource servers with a client assertion, no certificate, and an access token: nearly all requests. It never
refuses. For anything else than a plain answer it gives up, having written nothing, and `routes` evaluates the request
again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select, true

from machtiging.access_tokens.bearer import AnyToken
from machtiging.access_tokens.tokens import authenticate_token
from machtiging.kernel.ids import TokenId
from machtiging.oauth import queries
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler
from machtiging.oauth.authorization_details.representations import HANDLERS_CACHED
from machtiging.oauth.client import PRIVATE_KEY_JWT, Client
from machtiging.oauth.clients.cache import CachedClient, ClientCache
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.protocol.client_assertion import (
    parse_client_assertion,
    require_one_auth_method,
    verify_client_assertion,
)
from machtiging.oauth.protocol.client_auth import build_assertion_consume_cte, build_assertion_params
from machtiging.oauth.protocol.introspection_revocation import (
    AccessTokenClaims,
    build_token_view,
    may_introspect,
    verify_access_token,
)
from machtiging.storage.statement import Executor, ResultRow, Statement

_client = queries.UNCHANGED_CLIENT.cte("asker")
_assertion = build_assertion_consume_cte(_client)
_NO_TOKEN_ID = TokenId(UUID(int=0))


@lru_cache(maxsize=HANDLERS_CACHED)
def _build_statement(handler: AuthorizationDetailsHandler) -> Statement:
    status = queries.select_token_status(handler).subquery("standing")
    tables = _client.outerjoin(_assertion, true()).outerjoin(status, true())
    return Statement(select(_assertion.c.client_id.label("first_use"), *status.c).select_from(tables))


class IntrospectionAnswer(NamedTuple):
    """The client and its introspection response."""

    client: Client
    claims: dict[str, Any]


def is_fast_path_request(headers: Mapping[str, str], form: Mapping[str, str]) -> bool:
    """Check that a request qualifies for the fast path. A refresh token has no dot."""
    return "client_assertion" in form and "." in form.get("token", "") and "client-cert" not in headers


async def introspect_fast(
    executor: Executor,
    clients: ClientCache,
    issuer: Issuer,
    headers: Mapping[str, str],
    form: Mapping[str, str],
    at: datetime,
) -> IntrospectionAnswer | None:
    """Introspect in one statement; None when the ordinary path must decide.

    Raises OAuthRefusal and JwksFetchRequired, which the ordinary path must confirm, because the cached client may be
    stale.
    """
    require_one_auth_method(form, headers)
    assertion = parse_client_assertion(form)
    if assertion is None:
        return None
    cached = clients.get(assertion.subject) or await _load_client(executor, clients, assertion.subject)
    if cached is None or cached.client.auth_method != PRIVATE_KEY_JWT:
        return None
    client, answer = cached.client, None
    try:
        jti = verify_client_assertion(assertion, client, form.get("client_id"), issuer.url, at)
        claims = verify_access_token(issuer, form["token"], None, at)
        row = await _consume_and_load(executor, issuer.details_handler, cached, jti, claims, at)
        if row is not None and row["first_use"] is not None:
            there = row["t_id"] is not None and await authenticate_token(executor, row, at)
            found = queries.token_status_from_row(executor, issuer.details_handler, row, at) if there else None
            answer = IntrospectionAnswer(client, _build_claims(client, issuer, claims, found))
    finally:
        if answer is None:  # the cached client may be stale
            clients.discard(client.client_id)
    return answer


async def _load_client(executor: Executor, clients: ClientCache, client_id: str) -> CachedClient | None:
    row = await queries.find_client_with_version(executor, client_id)
    if row is None:
        return None
    cached = CachedClient(*row)
    clients.put(cached)
    return cached


async def _consume_and_load(
    executor: Executor,
    handler: AuthorizationDetailsHandler,
    cached: CachedClient,
    jti: str,
    verified: AccessTokenClaims | None,
    at: datetime,
) -> ResultRow | None:
    """Run the one statement; None when the client changed since it was cached. Then nothing was written."""
    token = _NO_TOKEN_ID if verified is None else verified.jti
    parameters = {"client_id": cached.client.client_id, "version": cached.version, "jti": token}
    return await _build_statement(handler).one_or_none(
        executor, parameters | build_assertion_params(cached.client.client_id, jti, at)
    )


def _build_claims(
    client: Client, issuer: Issuer, verified: AccessTokenClaims | None, found: tuple[AnyToken, bool] | None
) -> dict[str, Any]:
    """Build the introspection response for this client (RFC 7662 2.2). Any failed check gives `active: false`."""
    token = None if verified is None else build_token_view(issuer, verified, found)
    if token is None or not token.active or not may_introspect(client, token, issuer):
        return {"active": False}
    return token.to_introspection_response()
