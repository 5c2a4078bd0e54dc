"""Fixtures that every test may use: a clock, a real PostgreSQL (a fresh clone of a migrated template per test)."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
import hypothesis
import pytest
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from machtiging.kernel.clock import SettableClock
from machtiging.storage.embedded import EmbeddedPostgres
from machtiging.storage.engine import Role, make_engine, make_sessions
from machtiging.storage.migrate import migrate

# No test asserts a time, hypothesis neither: a busy machine is no counterexample.
hypothesis.settings.register_profile("machtiging", deadline=None)
hypothesis.settings.load_profile("machtiging")
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
_FAST_AND_UNSAFE = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nmax_connections = 200\n"
TEMPLATE = "machtiging_template"


@dataclass(frozen=True)
class Database:
    """One test's own database: its URL, and engines in each role."""

    url: str
    service: AsyncEngine
    sealer: AsyncEngine

    @property
    def sessions(self) -> async_sessionmaker[AsyncSession]:
        return make_sessions(self.service)


def dsn(url: str, database: str) -> str:
    return make_url(url).set(drivername="postgresql", database=database).render_as_string(hide_password=False)


async def admin(url: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn(url, "postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server with a migrated template: MACHTIGING_TEST_DATABASE_URL when set, else an embedded one of our own."""
    named = os.environ.get("MACHTIGING_TEST_DATABASE_URL")
    place = Path(tempfile.mkdtemp(prefix="machtiging-pg-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    server = EmbeddedPostgres(place / "data")
    url = named or server.start(_FAST_AND_UNSAFE)
    # Two test processes on one named server must not share a template.
    template = f"{TEMPLATE}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    asyncio.run(_make_template(url, template))
    yield dsn(url, template)
    server.stop()
    shutil.rmtree(place, ignore_errors=True)


async def _make_template(url: str, template: str) -> None:
    await admin(url, f'DROP DATABASE IF EXISTS "{template}"')
    await admin(url, f'CREATE DATABASE "{template}"')
    await migrate(dsn(url, template))


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """A database of this test's own, dropped afterwards."""
    template = make_url(postgres_url).database
    name = f"t_{uuid4().hex}"
    await admin(postgres_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    url = dsn(postgres_url, name)
    made = Database(url, make_engine(url, Role.SERVICE, pool_size=5), make_engine(url, Role.SEALER, pool_size=2))
    yield made
    await made.service.dispose()
    await made.sealer.dispose()
    await admin(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def session(database: Database) -> AsyncIterator[AsyncSession]:
    """A session in the service role; nothing commits unless the test does."""
    async with database.sessions() as opened:
        yield opened


@pytest.fixture
def clock() -> SettableClock:
    """Noon on 23 November 2026, until the test moves it."""
    return SettableClock(NOON)
