"""Issue refresh tokens: the client gets the token, the database its hash."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, FromClause, bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access_tokens.sender_constraint.binding import TokenBinding
from machtiging.crypto import secrets
from machtiging.oauth.client import Client
from machtiging.oauth.refresh.rules import compute_expiry, may_receive_refresh_token
from machtiging.oauth.tables import SEALED_REFRESH_TOKEN, RefreshToken
from machtiging.oauth.token_issuance import ActiveGrant
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import MAC_COLUMN, seal_row
from machtiging.storage.statement import Executor

_TOKEN = table_of(RefreshToken)
_COLUMN_NAMES = (
    "token_hash",
    "grant_id",
    "client_id",
    "resource",
    "jkt",
    "x5t",
    "created_at",
    "expires_at",
    "organisation_kvk",
)


@dataclass(frozen=True, slots=True)
class UnsavedRefreshToken:
    """A new refresh token and its row, which is not yet inserted."""

    text: str
    row: dict[str, Any]


def build_refresh_token(
    client: Client, active_grant: ActiveGrant, binding: TokenBinding, *, resource: str | None, at: datetime
) -> UnsavedRefreshToken | None:
    """Build a refresh token for this grant; None when the client may have none.

    Also None after the deadline of the grant.
    """
    grant, representation = active_grant.grant, active_grant.representation
    ends = compute_expiry(grant.created_at, None if representation is None else representation.ends_at, at)
    if not may_receive_refresh_token(client, binding) or ends <= at:
        return None
    text = secrets.generate_token()
    row = {
        "token_hash": secrets.sha256_digest(text),
        "grant_id": grant.id,
        "client_id": client.client_id,
        "resource": resource,
        "jkt": binding.jkt,  # the sender constraint, checked in `binding`
        "x5t": binding.x5t,
        "created_at": at,
        "expires_at": ends,
        "organisation_kvk": grant.organisation_kvk,
    }
    return UnsavedRefreshToken(text, row)


async def insert_refresh_token(session: AsyncSession, token: UnsavedRefreshToken) -> None:
    """Insert a new refresh token."""
    await session.execute(insert(_TOKEN), seal_row(session, SEALED_REFRESH_TOKEN, token.row))


def build_refresh_token_insert_cte(gate: FromClause) -> CTE:
    """Build a CTE that inserts a refresh token if `gate` has a row. Parameters: see `build_refresh_token_params`."""
    columns = [_TOKEN.c[name] for name in (*_COLUMN_NAMES, MAC_COLUMN)]
    parameters = [bindparam(f"fresh_{column.name}", type_=column.type).label(column.name) for column in columns]
    return insert(_TOKEN).from_select(columns, select(*parameters).select_from(gate)).cte("fresh")


def build_refresh_token_params(executor: Executor, token: UnsavedRefreshToken) -> dict[str, Any]:
    """Build the parameters of `build_refresh_token_insert_cte`."""
    return {f"fresh_{name}": value for name, value in seal_row(executor, SEALED_REFRESH_TOKEN, token.row).items()}
