"""A migrated PostgreSQL database to use as a template, and clones of it for tests that commit."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from uuid import uuid4

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from machtiging.storage.embedded_postgres import EmbeddedPostgres
from machtiging.storage.engine import DatabaseRole, make_engine, make_sessions
from machtiging.storage.migration_runner import migrate_schema
from tests.builders.crypto import a_keyring

# The data of a test need not survive a crash of the machine.
_SERVER_CONFIGURATION = """
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
jit = off
max_connections = 200
"""


@dataclass(frozen=True)
class Database:
    """A database for tests: its URL, and an engine for each role that the service uses."""

    url: str
    service: AsyncEngine
    sealer: AsyncEngine

    @cached_property
    def sessions(self) -> async_sessionmaker[AsyncSession]:
        return make_sessions(self.service, a_keyring())


@asynccontextmanager
async def database_clone(template_url: str) -> AsyncIterator[Database]:
    """A fresh clone with engines; dropped at the end."""
    url = await create_database_clone(template_url)
    service, sealer = (
        make_engine(url, DatabaseRole.SERVICE, pool_size=5),
        make_engine(url, DatabaseRole.SEALER, pool_size=2),
    )
    try:
        yield Database(url, service, sealer)
    finally:
        await service.dispose()
        await sealer.dispose()
        await drop_database(url)


async def create_database_clone(template_url: str) -> str:
    """Create a database with a random name as a copy of the template; returns its URL."""
    name, template = f"test_{uuid4().hex}", make_url(template_url).database
    await run_as_superuser(
        template_url,
        f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY',
        # CREATE DATABASE does not copy the privileges of the template.
        f'REVOKE TEMPORARY ON DATABASE "{name}" FROM PUBLIC',
    )
    return url_of_database(template_url, name)


async def drop_database(url: str) -> None:
    """Drop the database, and end its connections."""
    await run_as_superuser(url, f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)')


async def run_as_superuser(url: str, *statements: str) -> None:
    """Run statements outside the test databases: in the database `postgres` of the same server."""
    connection = await asyncpg.connect(url_of_database(url, "postgres"))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def url_of_database(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return make_url(url).set(drivername="postgresql", database=name).render_as_string(hide_password=False)


@contextmanager
def migrated_template(name: str) -> Iterator[str]:
    """Make the template database; gives its URL.

    On the server that MACHTIGING_TEST_DATABASE_URL names, else on an embedded one that is stopped at the end.
    """
    with _test_server() as server_url:
        url = url_of_database(server_url, name)
        asyncio.run(_create_template(url, name))
        yield url


@contextmanager
def _test_server() -> Iterator[str]:
    named = os.environ.get("MACHTIGING_TEST_DATABASE_URL")
    if named:
        yield named
        return
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    directory = Path(tempfile.mkdtemp(prefix="machtiging-pg-", dir=memory))
    server = EmbeddedPostgres(directory / "data")
    try:
        yield server.start(_SERVER_CONFIGURATION)
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


async def _create_template(url: str, name: str) -> None:
    await drop_database(url)
    await run_as_superuser(url, f'CREATE DATABASE "{name}"')
    await migrate_schema(url)
