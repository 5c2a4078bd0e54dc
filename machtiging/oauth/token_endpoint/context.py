"""First statement of a token request: load the client, its credential and the grant.

It locks nothing, because nothing is proven yet. Somebody who found a code must not be able to delay a suspension.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Table, and_, bindparam, literal_column, select, true

from machtiging.access_tokens.representation import Representation
from machtiging.crypto import secrets
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler, RepresentationKey
from machtiging.oauth.authorization_details.representations import HANDLERS_CACHED
from machtiging.oauth.client import AUTHORIZATION_CODE, REFRESH_TOKEN, Client
from machtiging.oauth.queries import (
    CLIENT_COLUMN_NAMES,
    CLIENT_COLUMNS,
    Grant,
    client_from_row,
    find_active_client,
    grant_from_row,
    load_set_refusal,
    verify_client_row,
)
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
from machtiging.storage.row_mac import SealedTable, verify_row
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

# The prefixes of the columns of each row in the loaded row, and a column that is never NULL in it.
CREDENTIAL, GRANT, RESOURCE_SERVER = "s_", "g_", "r_"
_PRESENT = {CREDENTIAL: "grant_id", GRANT: "id", RESOURCE_SERVER: "client_id"}
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
    guarding = (guard.c[name].label(RESOURCE_SERVER + name) for name in CLIENT_COLUMN_NAMES)
    chosen = (
        *CLIENT_COLUMNS,
        *_label_columns(credential, CREDENTIAL),
        *_label_columns(_GRANT, GRANT),
        *guarding,
        *represented.c,
    )
    active = (_CLIENT.c.client_id == bindparam("client_id"), _CLIENT.c.state == "active")
    return Statement(select(*chosen).select_from(tables).where(*active))


class TokenRequestContext:
    """The rows loaded for a token request: client, credential, grant, representation and resource server.

    The code or refresh token is included only if it was issued to this client.
    """

    def __init__(
        self,
        client: Client,
        row: ResultRow | None = None,
        representation: Representation | None = None,
        forged: Collection[str] = (),
    ) -> None:
        # The representation is that of the grant; None for the own box.
        self.client, self.row, self.representation = client, row, representation
        self._forged = forged
        # Of a grant for several: the reason code if its person can use none of them.
        self.set_refusal: str | None = None

    @property
    def credential(self) -> Any:
        """The row of the code or refresh token; None when there is none."""
        if self.row is None or self.row["s_grant_id"] is None:
            return None
        return self._extract_columns(self.row, CREDENTIAL)

    @property
    def grant(self) -> Grant | None:
        """The grant of the credential."""
        if self.row is None or self.row["g_id"] is None:
            return None
        return grant_from_row(self._extract_columns(self.row, GRANT))

    @property
    def resource_server(self) -> Client | None:
        """The active resource server that the credential names; None for our own API."""
        if self.row is None or self.row["r_client_id"] is None:
            return None
        return client_from_row(self.row, RESOURCE_SERVER)

    def is_forged(self, prefix: str) -> bool:
        """Return True if the row with this prefix has an invalid MAC."""
        return prefix in self._forged

    @staticmethod
    def _extract_columns(row: ResultRow, prefix: str) -> SimpleNamespace:
        return SimpleNamespace(**{k.removeprefix(prefix): v for k, v in row.items() if k.startswith(prefix)})


def extract_credential(form: Mapping[str, str]) -> str | None:
    """Extract the code or refresh token from the form; None for other grant types."""
    credential_table = CREDENTIAL_TABLES.get(form.get("grant_type", ""))
    return None if credential_table is None else form.get(credential_table[2])


async def load_token_request(
    executor: Executor, handler: AuthorizationDetailsHandler, form: Mapping[str, str], client_id: str, at: datetime
) -> TokenRequestContext | None:
    """Load the active client and its code or refresh token. None when there is no such client.

    Only a grant for several representations needs a further statement.
    """
    credential = extract_credential(form)
    if credential is None:
        client = await find_active_client(executor, client_id)
        return None if client is None else TokenRequestContext(client)
    row = await _build_context_query(form["grant_type"], handler).one_or_none(
        executor, {"client_id": client_id, "hash": secrets.sha256_digest(credential)}
    )
    client = await verify_client_row(executor, row)
    if row is None or client is None:
        return None
    forged = _find_forged_rows(executor, form["grant_type"], row)
    loaded = TokenRequestContext(client, row, handler.read_representation(executor, row), forged)
    grant = None if loaded.is_forged(GRANT) else loaded.grant
    if grant is not None:
        loaded.set_refusal = await load_set_refusal(executor, handler, grant, at)
    return loaded


def sealed_tables(grant_type: str) -> Mapping[str, SealedTable]:
    """Return the sealed tables of the loaded row, by the prefix of their columns. The client is verified at once."""
    return {CREDENTIAL: _SEALED_CREDENTIALS[grant_type], GRANT: SEALED_GRANT, RESOURCE_SERVER: SEALED_CLIENT}


def _find_forged_rows(executor: Executor, grant_type: str, row: ResultRow) -> frozenset[str]:
    """Find the rows with an invalid MAC. A decision that meets one refuses, and then it is journalled."""
    return frozenset(
        prefix
        for prefix, sealed in sealed_tables(grant_type).items()
        if row[prefix + _PRESENT[prefix]] is not None and not verify_row(executor, sealed, row, prefix)
    )
