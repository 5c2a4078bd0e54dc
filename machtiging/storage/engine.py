"""SQLAlchemy engines and sessions for PostgreSQL, each under one database role of three.

An engine has its own connection pool. Transactions have PostgreSQL's default isolation level, READ COMMITTED.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from machtiging.storage.connections.database_url import parse_database_url
from machtiging.storage.connections.guard import ConnectionGuard
from machtiging.storage.row_mac import RowKeys, session_info


class DatabaseRole(StrEnum):
    """The database roles: the owner migrates, the service serves, the sealer numbers the journal."""

    OWNER = "machtiging_owner"
    SERVICE = "machtiging_service"
    SEALER = "machtiging_sealer"


def is_own_socket(url: str) -> bool:
    """Return True for the passwordless socket of our OS user: the embedded server."""
    return parse_database_url(url).is_own_socket


def make_engine(
    url: str,
    role: DatabaseRole | None,
    *,
    pool_size: int = 10,
    statement_timeout_ms: int = 15_000,
    command_timeout: float | None = 30.0,
) -> AsyncEngine:
    """Make an engine whose connections have `role` (None: the login role itself, for bootstrapping).

    Statements and lock waits time out on the server, so that a stuck database gives an error, not a queue.
    `command_timeout`, in seconds: how long the driver waits for a reply; None: as long as the server does. Role, time
    limits and search path are verified on each new connection (`ConnectionGuard`). Raises Fault
    `database_url_ongeldig`.
    """
    address = parse_database_url(url)
    if role is not None and address.is_own_socket:
        # Log in as the role itself: unlike SET ROLE, no statement can reset it.
        address = replace(address, user=role.value)
    shown = URL.create("postgresql+asyncpg", database=address.database)
    engine = create_async_engine(shown, pool_size=pool_size, max_overflow=0, pool_timeout=10, hide_parameters=True)
    ConnectionGuard(address, role.value if role else None, statement_timeout_ms, command_timeout).install(engine)
    return engine


def make_sessions(engine: AsyncEngine, row_keys: RowKeys | None = None) -> async_sessionmaker[AsyncSession]:
    """Make a session factory; rows stay readable after commit, which precedes the response.

    `row_keys` seal and verify the rows that grant access; without them such a row can be neither written nor verified.
    """
    return async_sessionmaker(engine, expire_on_commit=False, info=session_info(row_keys))
