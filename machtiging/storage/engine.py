"""Connections to PostgreSQL, each under one of the three roles that the migrations set up."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from machtiging.storage.row_mac import RowKeys, session_info


class Role(StrEnum):
    """Who a connection is: the owner migrates, the service serves, the sealer numbers the journal."""

    OWNER = "machtiging_owner"
    SERVICE = "machtiging_service"
    SEALER = "machtiging_sealer"


def asyncpg_url(url: str) -> URL:
    """The same database for the asyncpg driver; a `?host=` socket directory is kept."""
    return make_url(url).set(drivername="postgresql+asyncpg")


def is_own_socket(url: str) -> bool:
    """Whether this is a server on a socket that only our own OS user can reach, without passwords: the embedded one."""
    parsed = make_url(url)
    return not parsed.password and str(parsed.query.get("host", "")).startswith("/")


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
    """
    settings = {
        "application_name": "machtiging",
        "statement_timeout": str(statement_timeout_ms),
        "lock_timeout": str(max(1, statement_timeout_ms // 3)),
        "idle_in_transaction_session_timeout": "60000",
        "timezone": "UTC",
    }
    address = asyncpg_url(url)
    if role is not None and is_own_socket(url):
        # Log in as the role itself: unlike SET ROLE, nothing said in a statement can take it off again.
        address = address.set(username=role.value)
    elif role is not None:
        settings["role"] = role.value
    arguments: dict[str, Any] = {"server_settings": settings, "timeout": 10, "command_timeout": command_timeout}
    return create_async_engine(
        address, pool_size=pool_size, max_overflow=0, pool_timeout=10, connect_args=arguments, hide_parameters=True
    )


def make_sessions(engine: AsyncEngine, row_keys: RowKeys | None = None) -> async_sessionmaker[AsyncSession]:
    """Sessions that keep their rows readable after commit, since the commit comes before the response.

    `row_keys` seal and verify the rows that give power; without them such a row can be neither written nor believed.
    """
    return async_sessionmaker(engine, expire_on_commit=False, info=session_info(row_keys))
