"""Fetch the JWKS of clients from `jwks_uri`, always outside a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.crypto.jose import parse_strict_json
from machtiging.kernel.clock import Clock
from machtiging.kernel.errors import MachtigingError, NotAuthenticated
from machtiging.kernel.text import drop_byte_order_mark
from machtiging.oauth.client_jwks import key_validation
from machtiging.oauth.client_jwks.fetch_limiter import FetchLimiter, FetchLimitExceeded
from machtiging.oauth.client_jwks.key_selection import MIN_FETCH_INTERVAL, JwksFetchRequired
from machtiging.oauth.tables import SEALED_CLIENT, OAuthClient
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import reseal_changes
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.web.outbound.http_client import OutboundHttpClient, OutboundRequestFailed

_CLIENT = table_of(OAuthClient)
_T = TypeVar("_T")
_log = structlog.get_logger("machtiging.oauth")


class JwksFetcher:
    """Fetches JWKS documents. Concurrent requests for one client share a fetch."""

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        outbound: OutboundHttpClient,
        limiter: FetchLimiter | None = None,
    ) -> None:
        self._sessions, self._outbound = sessions, outbound
        self._fetches_in_progress: dict[str, asyncio.Task[None]] = {}
        self._limiter = limiter or FetchLimiter()

    async def refresh_jwks(self, required: JwksFetchRequired, at: datetime) -> None:
        """Refresh our copy of the JWKS, if it is due. The client row shows the result.

        The caller must hold no connection. Raises FetchLimitExceeded when no slot was free and there is no usable copy,
        Fault `opslag_niet_bereikbaar`.
        """
        visit = self._fetches_in_progress.get(required.client_id)
        if visit is None:
            visit = asyncio.create_task(self._fetch_and_store(required, at))
            self._fetches_in_progress[required.client_id] = visit
            visit.add_done_callback(lambda done: self._finish_fetch(required.client_id, done))
        # Shielded: a cancelled request must not cancel the fetch for the others.
        try:
            await asyncio.shield(visit)
        except FetchLimitExceeded:
            if not required.has_usable_copy:
                raise  # no fetch took place, so the next request may try at once
            await self._claim_fetch(required, at)  # the copy is used for another minute

    def _finish_fetch(self, client_id: str, fetch: asyncio.Task[None]) -> None:
        self._fetches_in_progress.pop(client_id, None)
        if not fetch.cancelled() and fetch.exception() is not None:
            # Waiting requests got the exception; there may be none left, so it is logged.
            trouble = fetch.exception()
            reason = trouble.code if isinstance(trouble, MachtigingError) else type(trouble).__name__
            _log.warning("client_keys_not_fetched", client_id=client_id, reason=reason)

    async def _fetch_and_store(self, required: JwksFetchRequired, at: datetime) -> None:
        async with self._limiter.reserve_slot(required.uri):
            if not await self._claim_fetch(required, at):
                return
            jwks = await self._fetch_jwks(required)
        if jwks is not None:
            fresh = {"fetched_jwks": jwks, "fetched_at": at, "fetch_failed_at": None}
            async with unit_of_work(self._sessions) as session:
                await _store_jwks(session, required, fresh)

    async def _claim_fetch(self, required: JwksFetchRequired, at: datetime) -> bool:
        """Claim the fetch in the client row: one worker, once a minute at most.

        It counts as failed until it succeeds.
        """
        rarely = (
            or_(column.is_(None), column <= at - MIN_FETCH_INTERVAL)
            for column in (_CLIENT.c.fetched_at, _CLIENT.c.fetch_failed_at)
        )
        mine = update(_CLIENT).where(*_match_client(required), *rarely).values(fetch_failed_at=at)
        async with unit_of_work(self._sessions) as session:
            return await session.scalar(mine.returning(_CLIENT.c.client_id)) is not None

    async def _fetch_jwks(self, required: JwksFetchRequired) -> dict[str, Any] | None:
        """Fetch and parse the JWKS; None when there are no usable keys. The log has the reason."""
        try:
            answer = await self._outbound.get(required.uri, accept="application/jwk-set+json, application/json")
            found = (
                key_validation.select_usable_keys(parse_strict_json(drop_byte_order_mark(answer.body)))
                if answer.status == 200
                else None
            )
            reason = "" if found else f"status {answer.status}, or no keys that we can use"
        except OutboundRequestFailed as trouble:
            found, reason = None, str(trouble)
        except NotAuthenticated:
            found, reason = None, "not a JSON object"
        if found is None:
            _log.warning("client_keys_not_fetched", client_id=required.client_id, reason=reason)
        return found


async def _store_jwks(session: AsyncSession, required: JwksFetchRequired, fetched_values: dict[str, Any]) -> None:
    row = (await session.execute(select(_CLIENT).where(*_match_client(required)).with_for_update())).one_or_none()
    if row is not None:  # no row: its jwks_uri or state changed during the fetch
        values = reseal_changes(session, SEALED_CLIENT, row, fetched_values)
        await session.execute(update(_CLIENT).where(_CLIENT.c.client_id == row.client_id).values(values))


def _match_client(required: JwksFetchRequired) -> tuple[Any, ...]:
    """Build the conditions for the client with the same `jwks_uri` as before the fetch.

    Keys from a former URI are not stored.
    """
    there = _CLIENT.c.registration["jwks_uri"].astext == required.uri
    return _CLIENT.c.client_id == required.client_id, _CLIENT.c.state == "active", there


async def retry_after_jwks_fetch(
    keys: JwksFetcher, clock: Clock, session: AsyncSession, operation: Callable[[], Awaitable[_T]]
) -> _T:
    """Run the operation. On JwksFetchRequired: roll back, fetch the JWKS, run it again.

    The rollback releases the connection. Raises the errors of the operation.
    """
    try:
        return await operation()
    except JwksFetchRequired as wanted:
        await session.rollback()
        await keys.refresh_jwks(wanted, clock.now())
        return await operation()
