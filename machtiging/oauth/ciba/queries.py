"""Queries for pending CIBA requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Table, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.forged_rows import authenticate_row
from machtiging.kernel.ids import PersonId
from machtiging.oauth.ciba.rules import STANDS_AT_MOST
from machtiging.oauth.client import Client
from machtiging.oauth.queries import CLIENT_NAMES, authentic_client
from machtiging.oauth.tables import SEALED_BACKCHANNEL_REQUEST, BackchannelRequest, OAuthClient
from machtiging.storage.statement import Found

_REQUEST: Table = BackchannelRequest.__table__  # type: ignore[attr-defined]
_CLIENT: Table = OAuthClient.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Request:
    """A pending request. `id` identifies it on our own pages; it gives no tokens.

    `row`: the stored row, to compute the MAC again with the decision.
    """

    id: str
    client: Client
    row: Found
    parameters: dict[str, Any]
    binding_message: str
    asked_at: datetime
    expires_at: datetime


async def waiting_for(session: AsyncSession, person_id: PersonId, at: datetime) -> list[Request]:
    """List the requests that this person can decide now, oldest first."""
    chosen = (*_REQUEST.c, *(_CLIENT.c[name].label(f"c_{name}") for name in CLIENT_NAMES))
    found = _waiting(select(*chosen), person_id, at).order_by(_REQUEST.c.created_at, _REQUEST.c.request_hash)
    rows = (await session.execute(found)).mappings()
    return [one for row in rows if (one := await _request(session, row, at)) is not None]


async def how_many_wait_for(session: AsyncSession, person_id: PersonId, at: datetime) -> int:
    """Count the pending requests of this person, for a notice on other pages."""
    return await session.scalar(_waiting(select(func.count()), person_id, at)) or 0


async def has_answered(session: AsyncSession, person_id: PersonId, *, agreed: bool) -> bool:
    """Return whether this person approved, or denied, a request that is still stored."""
    states = ("approved", "used") if agreed else ("denied",)
    answered = select(_REQUEST.c.request_hash).where(_REQUEST.c.person_id == person_id, _REQUEST.c.state.in_(states))
    return await session.scalar(answered.limit(1)) is not None


def _waiting(chosen: Select[Any], person_id: PersonId, at: datetime) -> Select[Any]:
    """Restrict a select to the pending requests of this person, from active clients."""
    theirs = chosen.select_from(_REQUEST.join(_CLIENT))
    mine = (_REQUEST.c.person_id == person_id, _REQUEST.c.state == "pending", _REQUEST.c.expires_at > at)
    return theirs.where(*mine, _CLIENT.c.state == "active")


async def _request(session: AsyncSession, row: Found, at: datetime) -> Request | None:
    """Build the pending request from a row.

    None for a forged row, a forged client, and a row older than the maximum lifetime.
    """
    client = await authentic_client(session, row, "c_")
    if client is None or not await authenticate_row(session, SEALED_BACKCHANNEL_REQUEST, row, at=at):
        return None
    if row["created_at"] + STANDS_AT_MOST <= at:
        return None
    return Request(
        id=row["request_hash"].hex(),
        client=client,
        row=row,
        parameters=row["params"],
        binding_message=row["binding_message"],
        asked_at=row["created_at"],
        expires_at=row["expires_at"],
    )
