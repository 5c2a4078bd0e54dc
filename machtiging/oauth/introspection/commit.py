"""Carry out a decision on an introspection request in one statement.

It checks the client again, consumes its assertion and reads the token. Each part gets its row from the part before. A
client that changed since it was read gives no row: nothing was written.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from uuid import UUID

from sqlalchemy import select, true

from machtiging.access_tokens.tokens import authenticate_token
from machtiging.crypto import secrets
from machtiging.kernel.ids import TokenId
from machtiging.oauth import queries
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler
from machtiging.oauth.authorization_details.representations import HANDLERS_CACHED
from machtiging.oauth.introspection.decision import IntrospectionDecision
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.protocol.client_auth import build_assertion_consume_cte
from machtiging.oauth.protocol.introspection_revocation import AccessTokenView, build_token_view
from machtiging.oauth.refresh.lookup import RefreshTokenView, build_refresh_token_view, select_refresh_token
from machtiging.storage.statement import Executor, ResultRow, Statement

_NO_TOKEN_ID = TokenId(UUID(int=0))
_VARIANTS = 4


@lru_cache(maxsize=_VARIANTS * HANDLERS_CACHED)
def _build_statement(
    handler: AuthorizationDetailsHandler, *, consumes_assertion: bool, reads_refresh_token: bool
) -> Statement:
    client = queries.UNCHANGED_CLIENT.cte("asker")
    token = (select_refresh_token if reads_refresh_token else queries.select_token_status)(handler).subquery("standing")
    if not consumes_assertion:
        tables, first_use = client.outerjoin(token, true()), client.c.client_id
    else:
        assertion = build_assertion_consume_cte(client)
        tables, first_use = client.outerjoin(assertion, true()).outerjoin(token, true()), assertion.c.client_id
    return Statement(select(first_use.label("first_use"), *token.c).select_from(tables))


async def consume_and_read(
    executor: Executor, issuer: Issuer, decision: IntrospectionDecision, version: int
) -> ResultRow | None:
    """Consume the assertion and read the token; None when the client lost this `version`.

    `first_use` is NULL when the assertion was used before.
    """
    statement = _build_statement(
        issuer.details_handler,
        consumes_assertion=decision.assertion_params is not None,
        reads_refresh_token=decision.refresh_token is not None,
    )
    values = {"client_id": decision.client.client_id, "version": version} | (decision.assertion_params or {})
    if decision.refresh_token is not None:
        values["token_hash"] = secrets.sha256_digest(decision.refresh_token)
    else:
        values["jti"] = _NO_TOKEN_ID if decision.access_token is None else decision.access_token.jti
    return await statement.one_or_none(executor, values)


async def build_view(
    executor: Executor, issuer: Issuer, decision: IntrospectionDecision, row: ResultRow, at: datetime
) -> AccessTokenView | RefreshTokenView | None:
    """Build the view of the token in the row. None for an unknown token, and, journalled, for a forged one."""
    handler = issuer.details_handler
    if decision.refresh_token is not None:
        return None if row["t_token_hash"] is None else await build_refresh_token_view(executor, handler, row, at)
    if decision.access_token is None or row["t_id"] is None or not await authenticate_token(executor, row, at):
        return None
    found = await queries.token_status_from_row(executor, handler, row, at)
    return build_token_view(issuer, decision.access_token, found)
