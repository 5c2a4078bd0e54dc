"""Client authentication methods for Authlib: private_key_jwt with replay detection, and public clients.

The assertion is verified in `client_assertion`; its jti is consumed here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, FromClause, Table, bindparam, literal, select
from sqlalchemy.dialects.postgresql import insert

from machtiging.crypto import secrets
from machtiging.oauth.client import PRIVATE_KEY_JWT, PUBLIC, Client
from machtiging.oauth.protocol.assertion import CLOCKS_DIFFER, LIVES_AT_MOST, assertion_in, proved, unauthentic
from machtiging.oauth.protocol.bridge import WireRequest, wait
from machtiging.oauth.tables import UsedAssertion
from machtiging.storage.statement import Statement, Work

_USED: Table = UsedAssertion.__table__  # type: ignore[attr-defined]
# Consumes an assertion's jti, see `consume_assertion_params`; False on replay.
Take = Callable[[dict[str, Any]], Awaitable[bool]]


def taking(gate: FromClause) -> CTE:
    """Build a CTE that consumes an assertion's jti if `gate` has a row.

    It returns a row only if the jti was unused.

    Parameters: see `consume_assertion_params`.
    """
    names = ("client_id", "jti_hash", "expires_at")
    row = select(*(bindparam(f"assertion_{name}", type_=_USED.c[name].type).label(name) for name in names))
    using = insert(_USED).from_select(names, row.select_from(gate)).on_conflict_do_nothing()
    return using.returning(_USED.c.client_id).cte("assertion")


_TAKE = Statement(select(taking(select(literal(1)).cte("gate"))))


def to_take(client_id: str, jti: str, at: datetime) -> dict[str, Any]:
    """Build the parameters of `consume_assertion_cte`."""
    digest = secrets.digest(jti.encode("utf-8", "surrogatepass").hex())
    # Stored for as long as the assertion is acceptable: `iat` may be ahead of our clock, and the age counts from it.
    until = at + LIVES_AT_MOST + 2 * CLOCKS_DIFFER
    return {"assertion_client_id": client_id, "assertion_jti_hash": digest, "assertion_expires_at": until}


async def take(work: Work, values: dict[str, Any]) -> bool:
    """Consume the assertion's jti; False on replay. Of two concurrent uses the second waits for the first to commit."""
    return await _TAKE.one(work, values) is not None


class PrivateKeyJwt:
    """The method private_key_jwt for Authlib: `(query_client, request) -> client`, or None without an assertion."""

    def __init__(self, use: Take, issuer: str, at: datetime) -> None:
        self._use, self._issuer, self._at = use, issuer, at

    def __call__(self, query_client: Callable[[str], Client | None], request: WireRequest) -> Client | None:
        """Authenticate the client that signed. Raises OAuthRefusal `invalid_client` alike for every failure."""
        assertion = assertion_in(request.form)
        if assertion is None:
            return None
        client = query_client(assertion.subject)
        if client is None:
            unauthentic("client_onbekend")
        if client.auth_method != PRIVATE_KEY_JWT:
            unauthentic("client_andere_methode")
        jti = proved(assertion, client, request.form.get("client_id"), self._issuer, self._at)
        if not wait(self._first_use(client.client_id, jti)):
            unauthentic("bewijs_hergebruikt", proven=True)
        request.client, request.proven = client, True
        return client

    async def _first_use(self, client_id: str, jti: str) -> bool:
        return await self._use(to_take(client_id, jti, self._at))


def public_client(query_client: Callable[[str], Client | None], request: WireRequest) -> Client | None:
    """Identify a public client (method `none`) by its client_id. None for every other client."""
    client_id = request.form.get("client_id")
    client = query_client(client_id) if client_id else None
    if client is None or client.auth_method != PUBLIC:
        return None
    request.client = client
    return client
