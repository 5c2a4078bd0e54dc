"""Issue refresh tokens: the client gets the token, the database its hash."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, FromClause, Table, bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.proof.binding import Binding
from machtiging.crypto import secrets
from machtiging.oauth.client import Client
from machtiging.oauth.issue import Consented
from machtiging.oauth.refresh.rules import expires_at, may_have_one
from machtiging.oauth.tables import SEALED_REFRESH_TOKEN, RefreshToken
from machtiging.storage.row_mac import MAC, seal
from machtiging.storage.statement import Work

_TOKEN: Table = RefreshToken.__table__  # type: ignore[attr-defined]
_KEPT = (
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
class Fresh:
    """A new refresh token and its row, which is not yet inserted."""

    text: str
    row: dict[str, Any]


def fresh(client: Client, consented: Consented, bound: Binding, *, resource: str | None, at: datetime) -> Fresh | None:
    """Build a refresh token for this grant; None when the client may have none.

    Also None after the deadline of the grant.
    """
    grant, machtiging = consented.grant, consented.machtiging
    ends = expires_at(grant.created_at, None if machtiging is None else machtiging.period.ends_at, at)
    if not may_have_one(client, bound) or ends <= at:
        return None
    text = secrets.random_token()
    row = {
        "token_hash": secrets.digest(text),
        "grant_id": grant.id,
        "client_id": client.client_id,
        "resource": resource,
        "jkt": bound.jkt,  # the sender constraint, checked in `binding`
        "x5t": bound.x5t,
        "created_at": at,
        "expires_at": ends,
        "organisation_kvk": grant.organisation_kvk,
    }
    return Fresh(text, row)


async def keep(session: AsyncSession, made: Fresh) -> None:
    """Insert a new refresh token."""
    await session.execute(insert(_TOKEN), seal(session, SEALED_REFRESH_TOKEN, made.row))


def keeping(gate: FromClause) -> CTE:
    """Build a CTE that inserts a refresh token if `gate` has a row. Parameters: see `insert_refresh_token_params`."""
    columns = [_TOKEN.c[name] for name in (*_KEPT, MAC)]
    said = [bindparam(f"fresh_{column.name}", type_=column.type).label(column.name) for column in columns]
    return insert(_TOKEN).from_select(columns, select(*said).select_from(gate)).cte("fresh")


def to_keep(work: Work, made: Fresh) -> dict[str, Any]:
    """Build the parameters of `insert_refresh_token_cte`."""
    return {f"fresh_{name}": value for name, value in seal(work, SEALED_REFRESH_TOKEN, made.row).items()}
