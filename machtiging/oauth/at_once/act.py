"""Second statement of the fast path: consume the credentials and persist the tokens.

It writes all of this or nothing. It locks the rows in the same order as all other code: client, code or refresh token,
grant. It re-checks each row under its lock. Only then it consumes the assertion, the DPoP proof and the credential, and
inserts the tokens. Concurrent changes of these rows wait for it, or it waits for them.
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

from machtiging.access import tokens
from machtiging.access.proof import dpop
from machtiging.oauth.at_once.look import SECRETS
from machtiging.oauth.protocol import client_auth
from machtiging.oauth.protocol.handout import Handout
from machtiging.oauth.queries import HELD_CLIENT
from machtiging.oauth.refresh.hand_out import keeping, to_keep
from machtiging.oauth.tables import OAuthGrant
from machtiging.storage.statement import Statement, Work

_GRANT: Table = OAuthGrant.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Uses:
    """Credentials to consume: code or refresh token (grant type and hash), assertion, DPoP proof."""

    secret: tuple[str, bytes] | None = None
    assertion: Mapping[str, Any] | None = None
    proof: Mapping[str, Any] | None = None


class Outcome(NamedTuple):
    """The result of consuming the jti of the assertion and the DPoP jti.

    True means that it was unused.

    Tokens are issued only if both were. An unused assertion is consumed in any case.
    """

    assertion: bool
    proof: bool


class _Shape(NamedTuple):
    """The optional parts of a statement. There are 24 combinations; an installation uses a handful."""

    secret: str | None
    assertion: bool
    proof: bool
    fresh: bool


async def act(work: Work, uses: Uses, handout: Handout) -> Outcome | None:
    """Consume the credentials and persist the issued tokens in one statement.

    Returns None when a row changed since it was read: then nothing was written.
    """
    kind, digest = uses.secret or (None, None)
    shape = _Shape(kind, uses.assertion is not None, uses.proof is not None, handout.fresh is not None)
    facts = handout.made.facts
    values = tokens.to_register(work, facts, handout.made.line) | {"client_id": facts.client_id}
    values |= {"hash": digest, "at": facts.issued_at} if digest is not None else {}
    values |= dict(uses.assertion or {}) | dict(uses.proof or {})
    values |= {} if handout.fresh is None else to_keep(work, handout.fresh)
    row = await _acting(shape).one(work, values)
    return None if row is None else Outcome(bool(row["assertion"]), bool(row["proof"]))


@cache
def _acting(shape: _Shape) -> Statement:
    held = HELD_CLIENT.cte("client")
    if shape.secret is not None:
        held = _consent_behind(shape.secret, held)
    assertion = client_auth.taking(held) if shape.assertion else None
    gate = held if assertion is None else assertion
    proof, cleared = dpop.taking(gate) if shape.proof else (None, None)
    gate = gate if proof is None else proof
    parts = [*tokens.registering(gate)]
    if cleared is not None:
        parts.append(cleared)
    if shape.secret is not None:
        parts.append(_using(shape.secret, gate))
    if shape.fresh:
        parts.append(keeping(gate))
    told: list[ColumnElement[Any]] = [_was_new(assertion).label("assertion"), _was_new(proof).label("proof")]
    return Statement(select(*told).select_from(held).add_cte(*parts))


def _consent_behind(kind: str, client: CTE) -> CTE:
    """Lock the credential and its grant, in that order, after the client. No row when one is no longer valid."""
    table, its_hash, _ = SECRETS[kind]
    mine = (its_hash == bindparam("hash"), table.c.client_id == client.c.client_id)
    good = (table.c.used_at.is_(None), table.c.expires_at > _at(table))
    secret = select(table.c.grant_id).where(*mine, *good).with_for_update(of=table).cte("secret")
    consent = select(_GRANT.c.id).where(_GRANT.c.id == secret.c.grant_id, _GRANT.c.ended_at.is_(None))
    return consent.with_for_update(of=_GRANT).cte("consent")


def _using(kind: str, gate: FromClause) -> CTE:
    table, its_hash, _ = SECRETS[kind]
    using = update(table).where(its_hash == bindparam("hash"), select(literal(1)).select_from(gate).exists())
    return using.values(used_at=_at(table)).cte("used")


def _at(table: Table) -> BindParameter[datetime]:
    return bindparam("at", type_=table.c.used_at.type)


def _was_new(taken: CTE | None) -> ColumnElement[int]:
    return literal(1) if taken is None else select(func.count()).select_from(taken).scalar_subquery()
