"""Handing out a refresh token: its text goes to the client, its hash stays."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Table, insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.proof.binding import Binding
from machtiging.crypto import secrets
from machtiging.oauth.client import Client
from machtiging.oauth.issue import Consented
from machtiging.oauth.refresh.rules import expires_at, may_have_one
from machtiging.oauth.tables import RefreshToken

_TOKEN: Table = RefreshToken.__table__  # type: ignore[attr-defined]


async def hand_out(
    session: AsyncSession, client: Client, consented: Consented, bound: Binding, *, resource: str | None, at: datetime
) -> str | None:
    """A new refresh token for this consent; None when this client gets none, or when its time is up."""
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
        "jkt": bound.jkt,  # for what these are asked again: see `tied`
        "x5t": bound.x5t,
        "created_at": at,
        "expires_at": ends,
    }
    await session.execute(insert(_TOKEN), row)
    return text
