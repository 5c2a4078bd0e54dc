"""Read a refresh token without consuming it, for introspection and revocation by its own client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto import secrets
from machtiging.delegation.queries import (
    MACHTIGING_COLUMNS,
    join_agreement,
    machtiging_from_mapping,
    machtiging_table,
)
from machtiging.delegation.rules import Machtiging, is_usable
from machtiging.kernel.ids import GrantId, PersonId
from machtiging.oauth.client import Client
from machtiging.oauth.tables import SEALED_GRANT, SEALED_REFRESH_TOKEN, OAuthClient, OAuthGrant, RefreshToken
from machtiging.storage.columns import table_of
from machtiging.storage.statement import Executor, ResultRow, Statement

_CLIENT = table_of(OAuthClient)
_GRANT = table_of(OAuthGrant)
_TOKEN = table_of(RefreshToken)
_MACHTIGING = machtiging_table()
_FIND_REFRESH_TOKEN = Statement(
    select(
        *(column.label(f"t_{column.name}") for column in _TOKEN.c),
        *(column.label(f"g_{column.name}") for column in _GRANT.c),
        _CLIENT.c.state.label("client_state"),
        *MACHTIGING_COLUMNS,
    )
    .join_from(_TOKEN, _GRANT, _GRANT.c.id == _TOKEN.c.grant_id)
    .join(_CLIENT, _CLIENT.c.client_id == _TOKEN.c.client_id)
    .outerjoin(join_agreement(), _MACHTIGING.c.id == _GRANT.c.machtiging_id)
    .where(_TOKEN.c.token_hash == bindparam("token_hash"))
)


@dataclass(frozen=True, slots=True)
class RefreshTokenView:
    """A refresh token with its current state. Authlib calls `check_client` and the `is_` methods."""

    client_id: str
    grant_id: GrantId
    person_id: PersonId
    machtiging: Machtiging | None
    scope: str
    created_at: datetime
    expires_at: datetime
    active: bool

    def check_client(self, client: Client) -> bool:
        """Check that it was issued to this client."""
        return self.client_id == client.client_id

    def is_expired(self) -> bool:
        """Return False: `is_revoked` covers expiry too."""
        return False

    def is_revoked(self) -> bool:
        """Check that it is inactive: used, expired, grant ended or machtiging not in force."""
        return not self.active

    def to_introspection_response(self) -> dict[str, Any]:
        """Build the introspection response for its own client (RFC 7662 2.2)."""
        times = {"exp": int(self.expires_at.timestamp()), "iat": int(self.created_at.timestamp())}
        return {"active": True, "client_id": self.client_id, "scope": self.scope, **times}


async def find_refresh_token(executor: Executor, token: str, *, at: datetime) -> RefreshTokenView | None:
    """Find a refresh token; None when unknown, deleted or forged."""
    row = await _FIND_REFRESH_TOKEN.one_or_none(executor, {"token_hash": secrets.sha256_digest(token)})
    if row is None or not await _verify_rows(executor, row, at):
        return None
    machtiging = None if row["m_id"] is None else machtiging_from_mapping(row)
    organisation_kvk = row["t_organisation_kvk"]
    usable = machtiging is not None and is_usable(machtiging, row["g_person_id"], organisation_kvk, at)
    stands = organisation_kvk == row["g_organisation_kvk"] and (usable or row["g_machtiging_id"] is None)
    whole = row["g_ended_at"] is None and row["client_state"] == "active" and stands
    return RefreshTokenView(
        client_id=row["t_client_id"],
        grant_id=row["t_grant_id"],
        person_id=row["g_person_id"],
        machtiging=machtiging,
        scope=row["g_scope"],
        created_at=row["t_created_at"],
        expires_at=row["t_expires_at"],
        active=whole and row["t_used_at"] is None and at < row["t_expires_at"],
    )


async def _verify_rows(executor: Executor, row: ResultRow, at: datetime) -> bool:
    token = await authenticate_row(executor, SEALED_REFRESH_TOKEN, row, "t_", at=at)
    return token and await authenticate_row(executor, SEALED_GRANT, row, "g_", at=at)
