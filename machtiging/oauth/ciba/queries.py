"""What waits for somebody's answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, Table, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.kernel.ids import PersonId
from machtiging.oauth.client import Client, client_from
from machtiging.oauth.tables import BackchannelRequest, OAuthClient

_REQUEST: Table = BackchannelRequest.__table__  # type: ignore[attr-defined]
_CLIENT: Table = OAuthClient.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Request:
    """A question that waits, as it was asked. `id` names it on our own pages; with it nothing can be fetched."""

    id: str
    client: Client
    parameters: dict[str, Any]
    binding_message: str
    asked_at: datetime
    expires_at: datetime


async def waiting_for(session: AsyncSession, person_id: PersonId, at: datetime) -> list[Request]:
    """The questions that this person can answer now, oldest first."""
    chosen = (*_REQUEST.c, _CLIENT.c.registration, _CLIENT.c.oin)
    found = _waiting(select(*chosen), person_id, at).order_by(_REQUEST.c.created_at, _REQUEST.c.request_hash)
    return [_request(row) for row in await session.execute(found)]


async def how_many_wait_for(session: AsyncSession, person_id: PersonId, at: datetime) -> int:
    """How many there are, for a notice on other pages."""
    return await session.scalar(_waiting(select(func.count()), person_id, at)) or 0


async def has_answered(session: AsyncSession, person_id: PersonId, *, agreed: bool) -> bool:
    """Return True when a request that is still kept was answered by this person with yes, or with no."""
    states = ("approved", "used") if agreed else ("denied",)
    answered = select(_REQUEST.c.request_hash).where(_REQUEST.c.person_id == person_id, _REQUEST.c.state.in_(states))
    return await session.scalar(answered.limit(1)) is not None


def _waiting(chosen: Select[Any], person_id: PersonId, at: datetime) -> Select[Any]:
    """Of apps that take part: who was suspended cannot be answered."""
    theirs = chosen.select_from(_REQUEST.join(_CLIENT))
    mine = (_REQUEST.c.person_id == person_id, _REQUEST.c.state == "pending", _REQUEST.c.expires_at > at)
    return theirs.where(*mine, _CLIENT.c.state == "active")


def _request(row: Row[Any]) -> Request:
    return Request(
        id=row.request_hash.hex(),
        client=client_from(row.client_id, row.registration, row.oin),
        parameters=row.params,
        binding_message=row.binding_message,
        asked_at=row.created_at,
        expires_at=row.expires_at,
    )
