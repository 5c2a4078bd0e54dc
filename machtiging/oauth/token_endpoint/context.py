"""First statement of the fast path: load the client, its credential and the grant. It locks nothing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Table, and_, bindparam, literal_column, select, true

from machtiging.access_tokens.representation import Representation
from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto import secrets
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler, RepresentationKey
from machtiging.oauth.authorization_details.representations import HANDLERS_CACHED
from machtiging.oauth.client import AUTHORIZATION_CODE, REFRESH_TOKEN, Client
from machtiging.oauth.queries import CLIENT_COLUMN_NAMES, CLIENT_COLUMNS, Grant, client_from_row, grant_from_row
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
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import verify_row
from machtiging.storage.statement import Executor, ResultRow, Statement

_CLIENT = table_of(OAuthClient)
_GRANT = table_of(OAuthGrant)
# The credential of each grant type: its table, its hash column and its request parameter.
CREDENTIAL_TABLES: Mapping[str, tuple[Table, ColumnElement[bytes], str]] = {
    AUTHORIZATION_CODE: (
        code := table_of(AuthorizationCode),
        code.c.code_hash,
        "code",
    ),
    REFRESH_TOKEN: (
        token := table_of(RefreshToken),
        token.c.token_hash,
        "refresh_token",
    ),
}

_SEALED_CREDENTIALS = {AUTHORIZATION_CODE: SEALED_CODE, REFRESH_TOKEN: SEALED_REFRESH_TOKEN}


def _label_columns(table: FromClause, prefix: str) -> list[Any]:
    return [column.label(prefix + column.name) for column in table.c]


@lru_cache(maxsize=2 * HANDLERS_CACHED)
def _build_context_query(grant_type: str, handler: AuthorizationDetailsHandler) -> Statement:
    credential, its_hash, _ = CREDENTIAL_TABLES[grant_type]
    guard = _CLIENT.alias("guard")
    key = RepresentationKey(_GRANT.c.machtiging_id, _GRANT.c.person_id, _GRANT.c.organisation_kvk)
    represented = handler.select_representation(key).lateral("represented")
    theirs = and_(its_hash == bindparam("hash"), credential.c.client_id == _CLIENT.c.client_id)
    # Literal, as in the index: with a bind parameter PostgreSQL would scan all clients.
    its_own = guard.c.registration.op("->>")(literal_column("'resource'"))
    guards = and_(its_own == credential.c.resource, guard.c.state == "active")
    tables = (
        _CLIENT.outerjoin(credential, theirs)
        .outerjoin(_GRANT, _GRANT.c.id == credential.c.grant_id)
        .outerjoin(represented, true())
        .outerjoin(guard, guards)
    )
    guarding = (guard.c[name].label(f"r_{name}") for name in CLIENT_COLUMN_NAMES)
    chosen = (
        *CLIENT_COLUMNS,
        *_label_columns(credential, "s_"),
        *_label_columns(_GRANT, "g_"),
        *guarding,
        *represented.c,
    )
    active = (_CLIENT.c.client_id == bindparam("client_id"), _CLIENT.c.state == "active")
    return Statement(select(*chosen).select_from(tables).where(*active))


class TokenRequestContext:
    """The row joined for this request: client, credential, grant, representation and resource server.

    The code or refresh token is included only if it was issued to this client and is `authentic` (its MAC is valid).
    """

    def __init__(self, row: ResultRow, representation: Representation | None, *, authentic: bool) -> None:
        self._row, self._authentic = row, authentic
        # That of the grant; None for the own box.
        self.representation = representation

    @property
    def client(self) -> Client:
        """The client, which was active."""
        return client_from_row(self._row)

    @property
    def credential_row(self) -> Any:
        """The row of the code or refresh token; None when there is none."""
        return self._extract_columns("s_") if self._authentic and self._row["s_grant_id"] is not None else None

    @property
    def grant(self) -> Grant:
        """The grant of the credential."""
        return grant_from_row(self._extract_columns("g_"))

    @property
    def resource_server(self) -> Client | None:
        """The active resource server that the credential names; None for our own API."""
        if self._row["r_client_id"] is None:
            return None
        return client_from_row(self._row, "r_")

    def _extract_columns(self, prefix: str) -> SimpleNamespace:
        return SimpleNamespace(**{k.removeprefix(prefix): v for k, v in self._row.items() if k.startswith(prefix)})


def extract_credential(form: Mapping[str, str]) -> str | None:
    """Extract the code or refresh token from the form; None for other grant types."""
    credential_table = CREDENTIAL_TABLES.get(form.get("grant_type", ""))
    return None if credential_table is None else form.get(credential_table[2])


async def load_token_request(
    executor: Executor, handler: AuthorizationDetailsHandler, grant_type: str, credential: str, client_id: str
) -> TokenRequestContext | None:
    """Load the active client and its code or refresh token. None when there is no such client."""
    row = await _build_context_query(grant_type, handler).one_or_none(
        executor, {"client_id": client_id, "hash": secrets.sha256_digest(credential)}
    )
    if row is None or not await authenticate_row(executor, SEALED_CLIENT, row):
        return None
    authentic = _verify_row_macs(executor, grant_type, row)
    return TokenRequestContext(row, handler.read_representation(executor, row), authentic=authentic)


def _verify_row_macs(executor: Executor, grant_type: str, row: ResultRow) -> bool:
    """Verify the MACs of the credential, its grant and its resource server.

    If one fails, the transactional path detects it again and journals it.
    """
    parts = (
        (_SEALED_CREDENTIALS[grant_type], "s_", "s_grant_id"),
        (SEALED_GRANT, "g_", "g_id"),
        (SEALED_CLIENT, "r_", "r_client_id"),
    )
    return all(verify_row(executor, sealed, row, prefix) for sealed, prefix, key in parts if row[key] is not None)
