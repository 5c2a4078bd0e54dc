"""Fixtures that every test may use: a clock, a real PostgreSQL (a fresh clone of a migrated template per test)."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from uuid import uuid4

import asyncpg
import hypothesis
import pytest
import structlog
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from machtiging.kernel.clock import SettableClock
from machtiging.storage.embedded import EmbeddedPostgres
from machtiging.storage.engine import Role, make_engine, make_sessions
from machtiging.storage.migrate import migrate

# No test asserts a time, hypothesis neither: a busy machine is no counterexample.
hypothesis.settings.register_profile("machtiging", deadline=None)
hypothesis.settings.load_profile("machtiging")
# All that thousands of tests import stays to the end; to look through it for garbage took a fifth of the time.
gc.set_threshold(20_000, 20, 20)
# A trace back in colours, with every variable in it, takes a second to draw.
structlog.configure(
    [
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
_FAST_AND_UNSAFE = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nmax_connections = 200\n"
TEMPLATE = "machtiging_template"


@dataclass(frozen=True)
class Database:
    """One test's own database: its URL, and engines in each role."""

    url: str
    service: AsyncEngine
    sealer: AsyncEngine

    @cached_property
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


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


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


class Stable:
    """The database that a test process uses test after test: emptied in between, and made anew when a test bent it.

    Making a database costs more than most tests, and so does compiling every statement again for a new engine.
    """

    def __init__(self, server: str) -> None:
        self.server = server
        self.made: Database | None = None
        self.shape = ""
        self.broom: asyncpg.Connection | None = None

    async def lend(self) -> Database:
        if self.made is None:
            template = make_url(self.server).database
            name = f"t_{uuid4().hex}"
            await admin(self.server, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
            url = dsn(self.server, name)
            service, sealer = make_engine(url, Role.SERVICE, pool_size=5), make_engine(url, Role.SEALER, pool_size=2)
            for engine in (service, sealer):
                engine.sync_engine.pool._pre_ping = True
            self.made = Database(url, service, sealer)
            self.shape = await self._look_and(SHAPE)
        return self.made

    async def take_back(self) -> None:
        """Empty it; if a test changed the schema, the rights or a trigger, throw it away."""
        try:
            shape = await self._look_and(EMPTY, SHAPE)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            shape = "unknown"
        if shape != self.shape:
            await self.throw_away()

    async def throw_away(self) -> None:
        if self.made is not None:
            made, self.made = self.made, None
            if self.broom is not None:
                broom, self.broom = self.broom, None
                broom.terminate()
            await made.service.dispose()
            await made.sealer.dispose()
            await admin(self.server, f'DROP DATABASE IF EXISTS "{make_url(made.url).database}" WITH (FORCE)')

    async def _look_and(self, *statements: str) -> str:
        assert self.made is not None
        if self.broom is None or self.broom.is_closed():
            self.broom = await asyncpg.connect(self.made.url)
        for statement in statements[:-1]:
            await self.broom.execute(statement)
        return str(await self.broom.fetchval(statements[-1]))


# Whoever still holds a lock or an open transaction is sent away first; then every table is emptied as a superuser may.
EMPTY = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle';
SET session_replication_role = replica;
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
              AND relname <> 'alembic_version' AND pg_relation_size(oid) > 0 LOOP
    EXECUTE format('DELETE FROM %I', name);
  END LOOP;
END $$;
"""
SHAPE = """
SELECT md5(concat_ws('|',
  (SELECT string_agg(concat(relname, relkind, relacl, relowner), ',' ORDER BY relname) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace),
  (SELECT string_agg(concat(tgname, tgenabled, tgrelid::regclass), ',' ORDER BY tgname, tgrelid) FROM pg_trigger),
  (SELECT string_agg(concat(conname, conrelid::regclass), ',' ORDER BY conname, conrelid) FROM pg_constraint),
  (SELECT string_agg(concat(attrelid::regclass, attname, atttypid, attnotnull), ',' ORDER BY attrelid, attnum)
    FROM pg_attribute
    WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)),
  (SELECT string_agg(md5(prosrc), ',' ORDER BY proname) FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
  (SELECT version_num FROM alembic_version)))
"""


@pytest.fixture(scope="session")
async def stable(postgres_url: str) -> AsyncIterator[Stable]:
    """The database that is used again and again."""
    kept = Stable(postgres_url)
    yield kept
    await kept.throw_away()


@pytest.fixture
async def database(stable: Stable) -> AsyncIterator[Database]:
    """A migrated, empty database, this test's own while it runs."""
    yield await stable.lend()
    await stable.take_back()


@pytest.fixture
async def session(database: Database) -> AsyncIterator[AsyncSession]:
    """A session in the service role; nothing commits unless the test does."""
    async with database.sessions() as opened:
        yield opened


@pytest.fixture
def clock() -> SettableClock:
    """Noon on 23 November 2026, until the test moves it."""
    return SettableClock(NOON)
