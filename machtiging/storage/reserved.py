"""Connections reserved for urgent endpoints: log in, pause, revoke, log out.

A flood of reads can take all other connections, but not these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.pool import QueuePool
from starlette.requests import Request

from machtiging.storage.dependencies import storage_services
from machtiging.storage.engine import make_sessions
from machtiging.storage.row_mac import RowKeys, session_info

RESERVED_ATTRIBUTE = "__machtiging_reserved__"
_Endpoint = TypeVar("_Endpoint", bound=Callable[..., object])


class SessionsWithReserve(async_sessionmaker[AsyncSession]):
    """A session factory on the general pool, with a small second pool for marked endpoints."""

    def __init__(self, general: AsyncEngine, reserved: AsyncEngine, row_keys: RowKeys | None = None) -> None:
        super().__init__(general, expire_on_commit=False, info=session_info(row_keys))
        self._engines = (reserved, general)
        self._reserved = make_sessions(reserved, row_keys)

    def for_urgent_work(self) -> async_sessionmaker[AsyncSession]:
        """Return the reserved sessions; the general ones if only those have a free connection."""
        reserved, general = (_free_connections(engine) for engine in self._engines)
        return self if reserved <= 0 < general else self._reserved


def _free_connections(engine: AsyncEngine) -> int:
    pool = cast(QueuePool, engine.sync_engine.pool)
    return pool.size() - pool.checkedout()


def reserve_connection(endpoint: _Endpoint) -> _Endpoint:
    """Mark an endpoint that stops access. Put it under the route's decorator."""
    setattr(endpoint, RESERVED_ATTRIBUTE, True)
    return endpoint


def sessions_for(request: Request) -> async_sessionmaker[AsyncSession]:
    """Return the sessions for this request: reserved ones for a marked endpoint, else general."""
    sessions: async_sessionmaker[AsyncSession] = storage_services(request).sessions
    if isinstance(sessions, SessionsWithReserve) and hasattr(request.scope.get("endpoint"), RESERVED_ATTRIBUTE):
        return sessions.for_urgent_work()
    return sessions
