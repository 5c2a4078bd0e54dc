"""Second statement of the fast path: consume the credentials and persist the tokens.

The credential is an authorization code, a refresh token or none. The statement writes all of this or nothing. Its
lock order is that of all other code: client, code or refresh token, grant. It re-checks each row under its lock. Only
then it consumes the assertion, the DPoP proof and the credential, and inserts the tokens. Concurrent changes of these
rows wait for it, or it waits for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    FromClause,
    Table,
    bindparam,
    func,
    literal,
    select,
    update,
)

from machtiging.access_tokens import tokens
from machtiging.access_tokens.sender_constraint import dpop
from machtiging.oauth.protocol import client_auth
from machtiging.oauth.protocol.token_response import IssuedTokens
from machtiging.oauth.queries import ACTIVE_CLIENT_LOCK
from machtiging.oauth.refresh.issuance import build_refresh_token_insert_cte, build_refresh_token_params
from machtiging.oauth.tables import OAuthGrant
from machtiging.oauth.token_endpoint.context import CREDENTIAL_TABLES
from machtiging.storage.columns import table_of
from machtiging.storage.statement import Executor, Statement

_GRANT = table_of(OAuthGrant)


@dataclass(frozen=True, slots=True)
class ConsumedCredentials:
    """Credentials to consume: code or refresh token (grant type and hash), assertion, DPoP proof."""

    credential: tuple[str, bytes] | None = None
    assertion: Mapping[str, Any] | None = None
    proof: Mapping[str, Any] | None = None


class ConsumeResult(NamedTuple):
    """The result of consuming the jti of the assertion and the DPoP jti.

    True means that it was unused.

    Tokens are issued only if both were. An unused assertion is consumed in any case.
    """

    assertion_unused: bool
    proof_unused: bool


class _StatementVariant(NamedTuple):
    """The optional parts of a statement. There are 24 combinations; an installation uses a handful."""

    credential: str | None
    assertion: bool
    proof: bool
    refresh_token: bool


async def consume_and_issue(
    executor: Executor, consumed: ConsumedCredentials, issued: IssuedTokens
) -> ConsumeResult | None:
    """Consume the credentials and persist the issued tokens in one statement.

    Returns None when a row changed since it was read: then nothing was written.
    """
    kind, digest = consumed.credential or (None, None)
    shape = _StatementVariant(
        kind, consumed.assertion is not None, consumed.proof is not None, issued.refresh_token is not None
    )
    facts = issued.access_token.facts
    values = tokens.build_token_params(executor, facts, issued.access_token.journal_line) | {
        "client_id": facts.client_id
    }
    values |= {"hash": digest, "at": facts.issued_at} if digest is not None else {}
    values |= dict(consumed.assertion or {}) | dict(consumed.proof or {})
    values |= {} if issued.refresh_token is None else build_refresh_token_params(executor, issued.refresh_token)
    row = await _build_statement(shape).one_or_none(executor, values)
    return None if row is None else ConsumeResult(bool(row["assertion"]), bool(row["proof"]))


@cache
def _build_statement(variant: _StatementVariant) -> Statement:
    client = ACTIVE_CLIENT_LOCK.cte("client")
    if variant.credential is not None:
        client = _lock_credential_and_grant(variant.credential, client)
    assertion = client_auth.build_assertion_consume_cte(client) if variant.assertion else None
    gate = client if assertion is None else assertion
    proof, cleared = dpop.build_jti_consume_cte(gate) if variant.proof else (None, None)
    gate = gate if proof is None else proof
    parts = [*tokens.build_token_insert_cte(gate)]
    if cleared is not None:
        parts.append(cleared)
    if variant.credential is not None:
        parts.append(_mark_credential_used(variant.credential, gate))
    if variant.refresh_token:
        parts.append(build_refresh_token_insert_cte(gate))
    columns: list[ColumnElement[Any]] = [
        _consumed_flag(assertion).label("assertion"),
        _consumed_flag(proof).label("proof"),
    ]
    return Statement(select(*columns).select_from(client).add_cte(*parts))


def _lock_credential_and_grant(grant_type: str, client: CTE) -> CTE:
    """Lock the credential and its grant, in that order, after the client. No row when one is no longer valid."""
    table, its_hash, _ = CREDENTIAL_TABLES[grant_type]
    mine = (its_hash == bindparam("hash"), table.c.client_id == client.c.client_id)
    good = (table.c.used_at.is_(None), table.c.expires_at > _used_at_param(table))
    secret = select(table.c.grant_id).where(*mine, *good).with_for_update(of=table).cte("secret")
    consent = select(_GRANT.c.id).where(_GRANT.c.id == secret.c.grant_id, _GRANT.c.ended_at.is_(None))
    return consent.with_for_update(of=_GRANT).cte("consent")


def _mark_credential_used(grant_type: str, gate: FromClause) -> CTE:
    table, its_hash, _ = CREDENTIAL_TABLES[grant_type]
    using = update(table).where(its_hash == bindparam("hash"), select(literal(1)).select_from(gate).exists())
    return using.values(used_at=_used_at_param(table)).cte("used")


def _used_at_param(table: Table) -> BindParameter[datetime]:
    return bindparam("at", type_=table.c.used_at.type)


def _consumed_flag(consumed: CTE | None) -> ColumnElement[int]:
    return literal(1) if consumed is None else select(func.count()).select_from(consumed).scalar_subquery()
