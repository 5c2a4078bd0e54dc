"""First statement of the fast path: load the client, its credential and the grant. It locks nothing."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Table, and_, bindparam, literal_column, select

from machtiging.audit.forged_rows import authenticate_row
from machtiging.crypto import secrets
from machtiging.delegation.queries import MACHTIGING_COLUMNS, machtiging_from_mapping, machtiging_table
from machtiging.delegation.rules import Machtiging
from machtiging.oauth.client import CODE, REFRESH, Client
from machtiging.oauth.queries import CLIENT_COLUMNS, CLIENT_NAMES, Grant, client_in, grant_from
from machtiging.oauth.tables import (
    SEALED_CLIENT,
    SEALED_CODE,
    SEALED_GRANT,
    SEALED_REFRESH_TOKEN,
    AuthorizationCode,
    OAuthClient,
    OAuthGrant,
    RefreshToken,
)
from machtiging.storage.row_mac import verifies
from machtiging.storage.statement import Found, Statement, Work

_CLIENT: Table = OAuthClient.__table__  # type: ignore[attr-defined]
_GRANT: Table = OAuthGrant.__table__  # type: ignore[attr-defined]
# The credential of each grant type: its table, its hash column and its request parameter.
SECRETS: Mapping[str, tuple[Table, ColumnElement[bytes], str]] = {
    CODE: (
        code := AuthorizationCode.__table__,  # type: ignore[attr-defined]
        code.c.code_hash,
        "code",
    ),
    REFRESH: (
        token := RefreshToken.__table__,  # type: ignore[attr-defined]
        token.c.token_hash,
        "refresh_token",
    ),
}

_SEALED = {CODE: SEALED_CODE, REFRESH: SEALED_REFRESH_TOKEN}


def _named(table: FromClause, prefix: str) -> list[Any]:
    return [column.label(prefix + column.name) for column in table.c]


def _looking(secret: Table, its_hash: ColumnElement[bytes]) -> Statement:
    guard, machtiging = _CLIENT.alias("guard"), machtiging_table()
    theirs = and_(its_hash == bindparam("hash"), secret.c.client_id == _CLIENT.c.client_id)
    # Literal, as in the index: with a bind parameter PostgreSQL would scan all clients.
    its_own = guard.c.registration.op("->>")(literal_column("'resource'"))
    guards = and_(its_own == secret.c.resource, guard.c.state == "active")
    tables = (
        _CLIENT.outerjoin(secret, theirs)
        .outerjoin(_GRANT, _GRANT.c.id == secret.c.grant_id)
        .outerjoin(machtiging, machtiging.c.id == _GRANT.c.machtiging_id)
        .outerjoin(guard, guards)
    )
    guarding = (guard.c[name].label(f"r_{name}") for name in CLIENT_NAMES)
    chosen = (*CLIENT_COLUMNS, *_named(secret, "s_"), *_named(_GRANT, "g_"), *guarding, *MACHTIGING_COLUMNS)
    active = (_CLIENT.c.client_id == bindparam("client_id"), _CLIENT.c.state == "active")
    return Statement(select(*chosen).select_from(tables).where(*active))


_LOOK = {kind: _looking(table, its_hash) for kind, (table, its_hash, _) in SECRETS.items()}


class Seen:
    """The row joined for this request: client, credential, grant, machtiging and resource server.

    The code or refresh token is included only if it was issued to this client and is `authentic` (its MAC is valid).
    """

    def __init__(self, row: Found, *, genuine: bool) -> None:
        self._row, self._genuine = row, genuine

    @property
    def client(self) -> Client:
        """The client, which was active."""
        return client_in(self._row)

    @property
    def secret(self) -> Any:
        """The row of the code or refresh token; None when there is none."""
        return self._part("s_") if self._genuine and self._row["s_grant_id"] is not None else None

    @property
    def grant(self) -> Grant:
        """The grant of the credential."""
        return grant_from(self._part("g_"))

    @property
    def machtiging(self) -> Machtiging | None:
        """The machtiging of the grant; None for the own box."""
        return None if self._row["m_id"] is None else machtiging_from_mapping(self._row)

    @property
    def guard(self) -> Client | None:
        """The active resource server that the credential names; None for our own API."""
        if self._row["r_client_id"] is None:
            return None
        return client_in(self._row, "r_")

    def _part(self, prefix: str) -> SimpleNamespace:
        return SimpleNamespace(**{k.removeprefix(prefix): v for k, v in self._row.items() if k.startswith(prefix)})


def asks_with(form: Mapping[str, str]) -> str | None:
    """Extract the code or refresh token from the form; None for other grant types."""
    asked = SECRETS.get(form.get("grant_type", ""))
    return None if asked is None else form.get(asked[2])


async def look(work: Work, kind: str, text: str, client_id: str) -> Seen | None:
    """Load the active client and its code or refresh token. None when there is no such client."""
    row = await _LOOK[kind].one(work, {"client_id": client_id, "hash": secrets.digest(text)})
    if row is None or not await authenticate_row(work, SEALED_CLIENT, row):
        return None
    return Seen(row, genuine=_is_genuine(work, kind, row))


def _is_genuine(work: Work, kind: str, row: Found) -> bool:
    """Verify the MACs of the credential, its grant and its resource server.

    If one fails, the transactional path detects it again and journals it.
    """
    parts = ((_SEALED[kind], "s_", "s_grant_id"), (SEALED_GRANT, "g_", "g_id"), (SEALED_CLIENT, "r_", "r_client_id"))
    return all(verifies(work, sealed, row, prefix) for sealed, prefix, key in parts if row[key] is not None)
