"""Client authentication methods for Authlib: private_key_jwt with replay detection, and public clients.

The assertion is verified in `client_assertion`; its jti is consumed here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, FromClause, bindparam, literal, select
from sqlalchemy.dialects.postgresql import insert

from machtiging.crypto import secrets
from machtiging.oauth.client import AUTH_METHOD_NONE, PRIVATE_KEY_JWT, Client
from machtiging.oauth.protocol.client_assertion import (
    CLOCK_SKEW,
    MAX_ASSERTION_AGE,
    ClientAssertion,
    parse_client_assertion,
    refuse_client_auth,
    verify_client_assertion,
)
from machtiging.oauth.protocol.requests import OAuthRequest, await_sync
from machtiging.oauth.tables import UsedAssertion
from machtiging.storage.columns import table_of
from machtiging.storage.statement import Executor, Statement

_USED_ASSERTION = table_of(UsedAssertion)
# Consumes an assertion's jti, see `build_assertion_params`; False on replay.
ConsumeAssertion = Callable[[dict[str, Any]], Awaitable[bool]]


def build_assertion_consume_cte(gate: FromClause) -> CTE:
    """Build a CTE that consumes an assertion's jti if `gate` has a row.

    It returns a row only if the jti was unused.

    Parameters: see `build_assertion_params`.
    """
    names = ("client_id", "jti_hash", "expires_at")
    row = select(*(bindparam(f"assertion_{name}", type_=_USED_ASSERTION.c[name].type).label(name) for name in names))
    using = insert(_USED_ASSERTION).from_select(names, row.select_from(gate)).on_conflict_do_nothing()
    return using.returning(_USED_ASSERTION.c.client_id).cte("assertion")


_CONSUME_ASSERTION = Statement(select(build_assertion_consume_cte(select(literal(1)).cte("gate"))))


def build_assertion_params(client_id: str, jti: str, at: datetime) -> dict[str, Any]:
    """Build the parameters of `build_assertion_consume_cte`."""
    digest = secrets.sha256_digest(jti.encode("utf-8", "surrogatepass").hex())
    # Stored for as long as the assertion is acceptable: `iat` may be ahead of our clock, and the age counts from it.
    until = at + MAX_ASSERTION_AGE + 2 * CLOCK_SKEW
    return {"assertion_client_id": client_id, "assertion_jti_hash": digest, "assertion_expires_at": until}


async def consume_assertion(executor: Executor, values: dict[str, Any]) -> bool:
    """Consume the assertion's jti; False on replay. Of two concurrent uses the second waits for the first to commit."""
    return await _CONSUME_ASSERTION.one_or_none(executor, values) is not None


def verify_private_key_jwt(
    assertion: ClientAssertion, client: Client | None, client_id: str | None, issuer: str, at: datetime
) -> tuple[Client, str]:
    """Verify the assertion of a client; return the client and the jti to consume.

    Raises OAuthRefusal `invalid_client` alike for every failure, and JwksFetchRequired.
    """
    if client is None:
        refuse_client_auth("client_onbekend")
    if client.auth_method != PRIVATE_KEY_JWT:
        refuse_client_auth("client_andere_methode")
    return client, verify_client_assertion(assertion, client, client_id, issuer, at)


class PrivateKeyJwt:
    """The method private_key_jwt for Authlib: `(query_client, request) -> client`, or None without an assertion."""

    def __init__(self, consume: ConsumeAssertion, issuer: str, at: datetime) -> None:
        self._use, self._issuer, self._at = consume, issuer, at

    def __call__(self, query_client: Callable[[str], Client | None], request: OAuthRequest) -> Client | None:
        """Authenticate the client that signed. Raises OAuthRefusal `invalid_client` alike for every failure."""
        assertion = parse_client_assertion(request.form)
        if assertion is None:
            return None
        found, client_id = query_client(assertion.subject), request.form.get("client_id")
        client, jti = verify_private_key_jwt(assertion, found, client_id, self._issuer, self._at)
        if not await_sync(self._consume_jti(client.client_id, jti)):
            refuse_client_auth("bewijs_hergebruikt", authenticated=True)
        request.client, request.credential_proven = client, True
        return client

    async def _consume_jti(self, client_id: str, jti: str) -> bool:
        return await self._use(build_assertion_params(client_id, jti, self._at))


def authenticate_public_client(query_client: Callable[[str], Client | None], request: OAuthRequest) -> Client | None:
    """Identify a public client (method `none`) by its client_id. None for every other client."""
    client_id = request.form.get("client_id")
    client = query_client(client_id) if client_id else None
    if client is None or client.auth_method != AUTH_METHOD_NONE:
        return None
    request.client = client
    return client
