"""Second statement of a token request: consume the credentials, persist tokens or journal the refusal.

The credential is an authorization code, a refresh token or none. The statement writes all of this or nothing. Its
lock order is that of all other code: client, code or refresh token, grant. It re-checks each row under its lock. Only
then it consumes the assertion, the DPoP proof and the credential, and inserts the tokens or the line. Concurrent
changes of these rows wait for it, or it waits for them.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    FromClause,
    Select,
    Table,
    bindparam,
    func,
    literal,
    select,
    update,
)

from machtiging.access_tokens import tokens
from machtiging.access_tokens.sender_constraint import dpop
from machtiging.audit.journal import NewJournalLine, build_journal_insert_cte, build_journal_line_params
from machtiging.kernel.ids import uuid7
from machtiging.oauth.protocol import client_auth
from machtiging.oauth.protocol.token_response import IssuedTokens
from machtiging.oauth.queries import ACTIVE_CLIENT_LOCK
from machtiging.oauth.refresh.issuance import build_refresh_token_insert_cte, build_refresh_token_params
from machtiging.oauth.tables import OAuthGrant
from machtiging.oauth.token_endpoint.context import CREDENTIAL_TABLES
from machtiging.oauth.token_endpoint.token_request import NOTHING_CONSUMED, ConsumedCredentials
from machtiging.storage.columns import table_of
from machtiging.storage.statement import Executor, Statement

_GRANT = table_of(OAuthGrant)


class ConsumeResult(NamedTuple):
    """The result of consuming the jti of the assertion and the DPoP jti.

    True means that it was unused.

    Tokens are issued only if both were. An unused assertion is consumed in any case.
    """

    assertion_unused: bool
    proof_unused: bool

    @property
    def is_unused(self) -> bool:
        """True if nothing was replayed."""
        return self.assertion_unused and self.proof_unused


class _StatementVariant(NamedTuple):
    """The optional parts of a statement. An installation uses a handful of the combinations.

    `issues`: it persists an access token. `journals`: it journals a refusal.
    """

    credential: str | None
    assertion: bool
    proof: bool
    issues: bool = False
    refresh_token: bool = False
    journals: bool = False


async def consume_and_issue(
    executor: Executor, consumed: ConsumedCredentials, issued: IssuedTokens
) -> ConsumeResult | None:
    """Consume the credentials and persist the issued tokens in one statement.

    Returns None when a row changed since it was read: then nothing was written.
    """
    facts = issued.access_token.facts
    shape = _build_variant(consumed, issues=True, refresh_token=issued.refresh_token is not None)
    values = tokens.build_token_params(executor, facts, issued.access_token.journal_line)
    values |= _build_consume_params(consumed, facts.client_id, facts.issued_at)
    values |= {} if issued.refresh_token is None else build_refresh_token_params(executor, issued.refresh_token)
    return await _run_statement(executor, shape, values)


async def consume_and_refuse(
    executor: Executor, consumed: ConsumedCredentials, client_id: str, at: datetime, line: NewJournalLine | None
) -> ConsumeResult | None:
    """Consume the credentials that a refusal consumes, and journal it, in one statement.

    Returns None when the client is no longer active or the credential was used since it was read: then nothing was
    written.
    """
    if consumed == NOTHING_CONSUMED and line is None:
        return ConsumeResult(assertion_unused=True, proof_unused=True)
    values = _build_consume_params(consumed, client_id, at)
    values |= {} if line is None else build_journal_line_params(line, uuid7(), at)
    return await _run_statement(executor, _build_variant(consumed, journals=line is not None), values)


def _build_variant(
    consumed: ConsumedCredentials, *, issues: bool = False, refresh_token: bool = False, journals: bool = False
) -> _StatementVariant:
    kind = None if consumed.credential is None else consumed.credential[0]
    assertion, proof = consumed.assertion is not None, consumed.proof is not None
    return _StatementVariant(kind, assertion, proof, issues, refresh_token, journals)


def _build_consume_params(consumed: ConsumedCredentials, client_id: str, at: datetime) -> dict[str, Any]:
    values = {"locked_client_id": client_id} | dict(consumed.assertion or {}) | dict(consumed.proof or {})
    return values if consumed.credential is None else values | {"hash": consumed.credential[1], "at": at}


async def _run_statement(
    executor: Executor, variant: _StatementVariant, values: dict[str, Any]
) -> ConsumeResult | None:
    row = await _build_statement(variant).one_or_none(executor, values)
    return None if row is None else ConsumeResult(bool(row["assertion"]), bool(row["proof"]))


@cache
def _build_statement(variant: _StatementVariant) -> Statement:
    client = ACTIVE_CLIENT_LOCK.cte("client")
    if variant.credential is not None:
        lock = _lock_credential_and_grant if variant.issues else _lock_unused_credential
        client = lock(variant.credential, client)
    assertion = client_auth.build_assertion_consume_cte(client) if variant.assertion else None
    gate = client if assertion is None else assertion
    proof, cleared = dpop.build_jti_consume_cte(gate) if variant.proof else (None, None)
    gate = gate if proof is None else proof
    parts = [] if cleared is None else [cleared]
    if variant.credential is not None:
        parts.append(_mark_credential_used(variant.credential, gate))
    if variant.issues:
        parts.extend(tokens.build_token_insert_cte(gate))
    if variant.refresh_token:
        parts.append(build_refresh_token_insert_cte(gate))
    if variant.journals:
        parts.append(build_journal_insert_cte(gate).cte("line"))
    columns: list[ColumnElement[Any]] = [
        _consumed_flag(assertion).label("assertion"),
        _consumed_flag(proof).label("proof"),
    ]
    return Statement(select(*columns).select_from(client).add_cte(*parts))


def _lock_unused_credential(grant_type: str, client: CTE) -> CTE:
    """Lock the credential after the client. No row when it was used since it was read."""
    table = CREDENTIAL_TABLES[grant_type][0]
    return _select_unused_credential(grant_type, client).with_for_update(of=table).cte("secret")


def _select_unused_credential(grant_type: str, client: CTE) -> Select[Any]:
    table, its_hash, _ = CREDENTIAL_TABLES[grant_type]
    mine = (its_hash == bindparam("hash"), table.c.client_id == client.c.client_id)
    return select(table.c.grant_id).where(*mine, table.c.used_at.is_(None))


def _lock_credential_and_grant(grant_type: str, client: CTE) -> CTE:
    """Lock the credential and its grant, in that order, after the client. No row when one is no longer valid."""
    table = CREDENTIAL_TABLES[grant_type][0]
    unused = _select_unused_credential(grant_type, client).where(table.c.expires_at > _used_at_param(table))
    secret = unused.with_for_update(of=table).cte("secret")
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
