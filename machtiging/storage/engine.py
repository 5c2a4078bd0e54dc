"""Connections to PostgreSQL, each under one of the three roles that the migrations set up."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from machtiging.storage.connections.database_url import parse_database_url
from machtiging.storage.connections.guard import ConnectionGuard
from machtiging.storage.row_mac import RowKeys, session_info


class Role(StrEnum):
    """Who a connection is: the owner migrates, the service serves, the sealer numbers the journal."""

    OWNER = "machtiging_owner"
    SERVICE = "machtiging_service"
    SEALER = "machtiging_sealer"


def is_own_socket(url: str) -> bool:
    """Whether this is a server on a socket that only our own OS user can reach, without passwords: the embedded one."""
    return parse_database_url(url).is_own_socket


def make_engine(
    url: str,
    role: Role | None,
    *,
    pool_size: int = 10,
    statement_timeout_ms: int = 15_000,
    command_timeout: float | None = 30.0,
) -> AsyncEngine:
    """An engine whose every connection has put on `role` (none: the login role itself, for bootstrapping).

    Statements and lock waits end on the server by themselves, so a stuck database turns into an error, not a queue.
    `command_timeout`, in seconds: how long the driver waits for an answer; None: as long as the server does.
    Role, time limits and search path are verified on each new connection (`ConnectionGuard`), which is refused with a
    Fault when one does not hold. Raises Fault `database_url_ongeldig`.
    """
    address = parse_database_url(url)
    if role is not None and address.is_own_socket:
        # Log in as the role itself: unlike SET ROLE, nothing said in a statement can take it off again.
        address = replace(address, user=role.value)
    shown = URL.create("postgresql+asyncpg", database=address.database)
    engine = create_async_engine(shown, pool_size=pool_size, max_overflow=0, pool_timeout=10, hide_parameters=True)
    ConnectionGuard(address, role.value if role else None, statement_timeout_ms, command_timeout).install(engine)
    return engine


def make_sessions(engine: AsyncEngine, row_keys: RowKeys | None = None) -> async_sessionmaker[AsyncSession]:
    """Sessions that keep their rows readable after commit, since the commit comes before the response.

    `row_keys` seal and verify the rows that give power; without them such a row can be neither written nor believed.
    """
    return async_sessionmaker(engine, expire_on_commit=False, info=session_info(row_keys))
