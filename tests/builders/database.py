"""What tests borrow: a clock, and a real PostgreSQL that is empty and their own while they run.

Loaded by conftest.py in the processes that run tests, and not in the one that hands them out.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Hashable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import structlog
import uvloop
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from machtiging.kernel.clock import SettableClock
from machtiging.storage.embedded_postgres import EmbeddedPostgres
from machtiging.storage.engine import DatabaseRole, make_engine, make_sessions
from machtiging.storage.migration_runner import migrate_schema
from machtiging.storage.row_mac import session_info
from tests.builders.crypto import a_keyring
from tests.builders.stages import Stage, Stages

# The loop that the service runs on.
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
# A trace back in colours, with every variable in it, takes a second to draw.
structlog.configure(
    [
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
# Nothing stays long enough to be worth keeping, or to be looked after: the tests sweep for themselves.
_FAST_AND_UNSAFE = """
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
jit = off
max_connections = 200
"""
TEMPLATE = "machtiging_template"


@dataclass(frozen=True)
class Database:
    """One test's own database: its URL, and engines in each role."""

    url: str
    service: AsyncEngine
    sealer: AsyncEngine
    stages: Stages | None = field(default=None, repr=False)

    @cached_property
    def sessions(self) -> async_sessionmaker[AsyncSession]:
        sessions = make_sessions(self.service)
        sessions.configure(info={"stages": self.stages, **session_info(a_keyring())})
        return sessions


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
    await migrate_schema(dsn(url, template))


class Stable:
    """The database that a test process uses test after test: emptied in between, and made anew when a test bent it.

    Making a database costs more than most tests, and so does compiling every statement again for a new engine.
    """

    def __init__(self, server: str) -> None:
        self.server = server
        self.made: Database | None = None
        self.shape = ""
        self.broom: asyncpg.Connection | None = None
        self.tables: tuple[str, ...] = ()
        self.known: dict[Hashable, Stage | None] = {}
        self.used = 0

    async def lend(self) -> Database:
        if self.made is None:
            template = make_url(self.server).database
            name = f"t_{uuid4().hex}"
            await admin(self.server, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
            # Rights on a database are not copied with it.
            await admin(self.server, f'REVOKE TEMPORARY ON DATABASE "{name}" FROM PUBLIC')
            url = dsn(self.server, name)
            service, sealer = (
                make_engine(url, DatabaseRole.SERVICE, pool_size=5),
                make_engine(url, DatabaseRole.SEALER, pool_size=2),
            )
            self.made = Database(url, service, sealer)
            broom = await self._broom()
            self.tables = tuple(row[0] for row in await broom.fetch(TABLES))
            await broom.execute(
                WATCH.replace("-- empty", " ".join(f"DELETE FROM public.{one};" for one in self.tables))
            )
            self.shape = str(await broom.fetchval(SHAPE))
        return replace(self.made, stages=Stages(await self._broom(), self.known, self.tables))

    async def take_back(self) -> None:
        """Empty it; if a test changed the schema, the rights or a trigger, throw it away."""
        try:
            broom = await self._broom()
            bent, sent_away, there = await broom.fetchrow("SELECT * FROM tests.empty()")
            await self._without_the_dead(sent_away, there)
            self.used += 1
            if self.used % SWEPT_AFTER == 0:
                await broom.execute("VACUUM " + ", ".join(f"public.{one}" for one in self.tables))
            if bent and await broom.fetchval(SHAPE) == self.shape:
                await broom.execute("DELETE FROM tests.change")
                bent = False
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            bent = True
        if bent:
            await self.throw_away()

    async def _without_the_dead(self, sent_away: int, there: int) -> None:
        """New connections for the next test when one of those in the pools has been killed.

        To ask each whenever it is lent, as a pool can, would double what the tests say to the database.
        """
        assert self.made is not None
        engines = (self.made.service, self.made.sealer)
        if sent_away or there < sum(engine.sync_engine.pool.checkedin() for engine in engines):
            for engine in engines:
                await engine.dispose()

    async def throw_away(self) -> None:
        if self.made is not None:
            made, self.made = self.made, None
            if self.broom is not None:
                broom, self.broom = self.broom, None
                broom.terminate()
            await made.service.dispose()
            await made.sealer.dispose()
            await admin(self.server, f'DROP DATABASE IF EXISTS "{make_url(made.url).database}" WITH (FORCE)')

    async def _broom(self) -> asyncpg.Connection:
        assert self.made is not None
        if self.broom is None or self.broom.is_closed():
            # It lays back what triggers and keys were asked about before, with statements as long as what they lay.
            self.broom = await asyncpg.connect(
                self.made.url,
                server_settings={"session_replication_role": "replica"},
                statement_cache_size=1000,
                max_cacheable_statement_size=0,
            )
        return self.broom


# What was emptied still takes its room, and every look at a table goes through all of it, until it is vacuumed.
SWEPT_AFTER = 20
TABLES = """
SELECT relname FROM pg_class
 WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
"""
# Writes down that the schema, the rights or a trigger were changed, in the transaction that changes them. To empty it,
# whoever still holds a lock or an open transaction is sent away first; then every table is emptied as a superuser may.
WATCH = """
CREATE SCHEMA tests;
CREATE TABLE tests.change (what text);
CREATE TABLE tests.version AS SELECT version_num FROM public.alembic_version;
CREATE FUNCTION tests.noted() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN INSERT INTO tests.change VALUES (tg_tag); END $$;
CREATE FUNCTION tests.empty(OUT bent bool, OUT sent_away int, OUT there int) LANGUAGE plpgsql AS $$
BEGIN
  SELECT count(pg_terminate_backend(pid)) INTO sent_away FROM pg_stat_get_activity(NULL)
    WHERE datid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle';
  SELECT count(*) INTO there FROM pg_stat_get_activity(NULL)
    WHERE datid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND pid <> pg_backend_pid() AND backend_type = 'client backend';
  -- empty
  bent := EXISTS (SELECT FROM tests.change)
    OR NOT EXISTS (SELECT FROM public.alembic_version NATURAL JOIN tests.version);
END $$;
CREATE EVENT TRIGGER tests_change ON ddl_command_end EXECUTE FUNCTION tests.noted();
CREATE EVENT TRIGGER tests_drop ON sql_drop EXECUTE FUNCTION tests.noted();
ALTER EVENT TRIGGER tests_change ENABLE ALWAYS;
ALTER EVENT TRIGGER tests_drop ENABLE ALWAYS;
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
