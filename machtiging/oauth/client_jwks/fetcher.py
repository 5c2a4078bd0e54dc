"""Fetch the JWKS of clients from `jwks_uri`, always outside a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

import structlog
from sqlalchemy import Table, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.crypto.jose import strict_json
from machtiging.kernel.clock import Clock
from machtiging.kernel.errors import MachtigingError, NotAuthenticated
from machtiging.kernel.text import drop_byte_order_mark
from machtiging.oauth.client_jwks.fetch_limiter import Crowded, Places
from machtiging.oauth.clients import keys
from machtiging.oauth.clients.fetched import RARELY, KeysWanted
from machtiging.oauth.tables import SEALED_CLIENT, OAuthClient
from machtiging.storage.row_mac import reseal
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.web.outbound.visit import NotVisited, Outbound

_CLIENT: Table = OAuthClient.__table__  # type: ignore[attr-defined]
_T = TypeVar("_T")
_log = structlog.get_logger("machtiging.oauth")


class PublishedKeys:
    """Fetches JWKS documents. Concurrent requests for one client share a fetch."""

    def __init__(
        self, sessions: async_sessionmaker[AsyncSession], outbound: Outbound, places: Places | None = None
    ) -> None:
        self._sessions, self._outbound = sessions, outbound
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._places = places or Places()

    async def look(self, wanted: KeysWanted, at: datetime) -> None:
        """Refresh our copy of the JWKS, if it is due. The client row shows the result.

        The caller must hold no connection. Raises FetchLimitExceeded when no slot was free and there is no usable copy,
        Fault `opslag_niet_bereikbaar`.
        """
        visit = self._under_way.get(wanted.client_id)
        if visit is None:
            visit = asyncio.create_task(self._visit(wanted, at))
            self._under_way[wanted.client_id] = visit
            visit.add_done_callback(lambda done: self._over(wanted.client_id, done))
        # Shielded: a cancelled request must not cancel the fetch for the others.
        try:
            await asyncio.shield(visit)
        except Crowded:
            if not wanted.spare:
                raise  # no fetch took place, so the next request may try at once
            await self._claimed(wanted, at)  # the copy is used for another minute

    def _over(self, client_id: str, visit: asyncio.Task[None]) -> None:
        self._under_way.pop(client_id, None)
        if not visit.cancelled() and visit.exception() is not None:
            # Waiting requests got the exception; there may be none left, so it is logged.
            trouble = visit.exception()
            reason = trouble.code if isinstance(trouble, MachtigingError) else type(trouble).__name__
            _log.warning("client_keys_not_fetched", client_id=client_id, reason=reason)

    async def _visit(self, wanted: KeysWanted, at: datetime) -> None:
        async with self._places.place_for(wanted.uri):
            if not await self._claimed(wanted, at):
                return
            jwks = await self._fetched(wanted)
        if jwks is not None:
            fresh = {"fetched_jwks": jwks, "fetched_at": at, "fetch_failed_at": None}
            async with unit_of_work(self._sessions) as session:
                await _keep(session, wanted, fresh)

    async def _claimed(self, wanted: KeysWanted, at: datetime) -> bool:
        """Claim the fetch in the client row: one worker, once a minute at most.

        It counts as failed until it succeeds.
        """
        rarely = (
            or_(column.is_(None), column <= at - RARELY) for column in (_CLIENT.c.fetched_at, _CLIENT.c.fetch_failed_at)
        )
        mine = update(_CLIENT).where(*_named(wanted), *rarely).values(fetch_failed_at=at)
        async with unit_of_work(self._sessions) as session:
            return await session.scalar(mine.returning(_CLIENT.c.client_id)) is not None

    async def _fetched(self, wanted: KeysWanted) -> dict[str, Any] | None:
        """Fetch and parse the JWKS; None when there are no usable keys. The log has the reason."""
        try:
            answer = await self._outbound.get(wanted.uri, accept="application/jwk-set+json, application/json")
            found = keys.usable_in(strict_json(drop_byte_order_mark(answer.body))) if answer.status == 200 else None
            reason = "" if found else f"status {answer.status}, or no keys that we can use"
        except NotVisited as trouble:
            found, reason = None, str(trouble)
        except NotAuthenticated:
            found, reason = None, "not a JSON object"
        if found is None:
            _log.warning("client_keys_not_fetched", client_id=wanted.client_id, reason=reason)
        return found


async def _keep(session: AsyncSession, wanted: KeysWanted, fresh: dict[str, Any]) -> None:
    row = (await session.execute(select(_CLIENT).where(*_named(wanted)).with_for_update())).one_or_none()
    if row is not None:  # no row: its jwks_uri or state changed during the fetch
        values = reseal(session, SEALED_CLIENT, row, fresh)
        await session.execute(update(_CLIENT).where(_CLIENT.c.client_id == row.client_id).values(values))


def _named(wanted: KeysWanted) -> tuple[Any, ...]:
    """Build the conditions for the client with the same `jwks_uri` as before the fetch.

    Keys from a former URI are not stored.
    """
    there = _CLIENT.c.registration["jwks_uri"].astext == wanted.uri
    return _CLIENT.c.client_id == wanted.client_id, _CLIENT.c.state == "active", there


async def with_keys(keys: PublishedKeys, clock: Clock, session: AsyncSession, work: Callable[[], Awaitable[_T]]) -> _T:
    """Run the operation. On JwksFetchRequired: roll back, fetch the JWKS, run it again.

    The rollback releases the connection. Raises the errors of the operation.
    """
    try:
        return await work()
    except KeysWanted as wanted:
        await session.rollback()
        await keys.look(wanted, clock.now())
        return await work()
