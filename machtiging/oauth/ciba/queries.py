"""Queries for pending CIBA requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.row_authentication import authenticate_row
from machtiging.kernel.ids import GrantId, PersonId
from machtiging.oauth.ciba.rules import MAX_REQUEST_LIFETIME
from machtiging.oauth.client import Client
from machtiging.oauth.queries import CLIENT_COLUMN_NAMES, verify_client_row
from machtiging.oauth.tables import SEALED_BACKCHANNEL_REQUEST, BackchannelRequest, OAuthClient
from machtiging.storage.columns import table_of
from machtiging.storage.statement import ResultRow

_REQUEST = table_of(BackchannelRequest)
_CLIENT = table_of(OAuthClient)


@dataclass(frozen=True, slots=True)
class PendingBackchannelRequest:
    """A pending request. `id` identifies it on our own pages; it gives no tokens.

    `row`: the stored row, to compute the MAC again with the decision.
    """

    id: str
    client: Client
    row: ResultRow
    parameters: dict[str, Any]
    binding_message: str
    requested_at: datetime
    expires_at: datetime


class AnsweredRequest(NamedTuple):
    """A request that its person decided: the app, and the grant if it was approved."""

    app: str
    grant_id: GrantId | None


async def list_pending_requests(
    session: AsyncSession, person_id: PersonId, at: datetime
) -> list[PendingBackchannelRequest]:
    """List the requests that this person can decide now, oldest first."""
    chosen = (*_REQUEST.c, *(_CLIENT.c[name].label(f"c_{name}") for name in CLIENT_COLUMN_NAMES))
    found = _filter_pending(select(*chosen), person_id, at).order_by(_REQUEST.c.created_at, _REQUEST.c.request_hash)
    rows = (await session.execute(found)).mappings()
    return [one for row in rows if (one := await _build_pending_request(session, row, at)) is not None]


def select_pending_count(person_id: PersonId, at: datetime) -> Select[Any]:
    """Select the number of pending requests of this person, for a notice on other pages."""
    return _filter_pending(select(func.count()), person_id, at)


async def find_last_answer(session: AsyncSession, person_id: PersonId, *, approved: bool) -> AnsweredRequest | None:
    """Find the newest stored request that this person approved, or denied."""
    states = ("approved", "used") if approved else ("denied",)
    answered = (
        select(_CLIENT.c.registration["client_name"].astext.label("app"), _REQUEST.c.grant_id)
        .select_from(_REQUEST.join(_CLIENT))
        .where(_REQUEST.c.person_id == person_id, _REQUEST.c.state.in_(states))
        .order_by(_REQUEST.c.created_at.desc(), _REQUEST.c.request_hash)
        .limit(1)
    )
    row = (await session.execute(answered)).one_or_none()
    return None if row is None else AnsweredRequest(row.app, row.grant_id)


def _filter_pending(statement: Select[Any], person_id: PersonId, at: datetime) -> Select[Any]:
    """Restrict a select to the pending requests of this person, from active clients."""
    theirs = statement.select_from(_REQUEST.join(_CLIENT))
    mine = (_REQUEST.c.person_id == person_id, _REQUEST.c.state == "pending", _REQUEST.c.expires_at > at)
    return theirs.where(*mine, _CLIENT.c.state == "active")


async def _build_pending_request(
    session: AsyncSession, row: ResultRow, at: datetime
) -> PendingBackchannelRequest | None:
    """Build the pending request from a row.

    None for a forged row, a forged client, and a row older than the maximum lifetime.
    """
    client = await verify_client_row(session, row, "c_")
    if client is None or not await authenticate_row(session, SEALED_BACKCHANNEL_REQUEST, row, at=at):
        return None
    if row["created_at"] + MAX_REQUEST_LIFETIME <= at:
        return None
    return PendingBackchannelRequest(
        id=row["request_hash"].hex(),
        client=client,
        row=row,
        parameters=row["params"],
        binding_message=row["binding_message"],
        requested_at=row["created_at"],
        expires_at=row["expires_at"],
    )
