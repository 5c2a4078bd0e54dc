"""PostgreSQL for tests. A migrated template, clones of it, locks, statements, and the rights of a superuser."""

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
from typing import Any
from uuid import uuid4

import asyncpg
from sqlalchemy import event, make_url, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker

from machtiging.cli.sealed_tables import SEALED_TABLES
from machtiging.storage.embedded_postgres import EmbeddedPostgres
from machtiging.storage.engine import DatabaseRole, make_engine, make_sessions
from machtiging.storage.migration_runner import migrate_schema
from machtiging.storage.row_mac import MAC_COLUMN, SealedTable, seal_row
from tests.builders.keys import load_keyring


@asynccontextmanager
async def bypass_triggers(database: Any) -> AsyncIterator[AsyncConnection]:
    """A superuser's connection with the triggers off, committed at the end. The attacker that the chain is against."""
    engine = make_engine(database.url, None, pool_size=1)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
            yield connection
    finally:
        await engine.dispose()


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
    """A database for tests. Its URL, and an engine for each role that the service uses."""

    url: str
    service: AsyncEngine
    sealer: AsyncEngine

    @cached_property
    def sessions(self) -> async_sessionmaker[AsyncSession]:
        return make_sessions(self.service, load_keyring())


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
    """Create a database with a random name as a copy of the template. Returns its URL."""
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


# `pg_locks.database` is null for row locks, so the database comes from the backend that waits.
BLOCKED_BACKENDS = text(
    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()"
)


async def wait_until_blocked(
    sessions: async_sessionmaker[AsyncSession], task: asyncio.Task[Any], *others: asyncio.Task[Any]
) -> None:
    """Return when as many backends wait for a lock as there are tasks. Fails when one of the tasks is done.

    Name every task that waits at this moment, also those of an earlier call.
    """
    tasks = (task, *others)
    async with asyncio.timeout(60), sessions() as beside:
        while await beside.scalar(BLOCKED_BACKENDS) < len(tasks):
            assert not [each for each in tasks if each.done()]
            await beside.rollback()
            await asyncio.sleep(0.005)
    assert not [each for each in tasks if each.done()]


@contextmanager
def record_queries(database: Any) -> Iterator[list[str]]:
    """Collect the statements that the service sends meanwhile.

    BEGIN and COMMIT of a session are sent by the driver itself and are not in it.
    """
    engine = database.service.sync_engine
    heard: list[str] = []
    listening: dict[int, Any] = {}

    def in_a_session(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        heard.append(statement)

    def to_the_driver(record: Any) -> None:
        # A connection whose isolation was once set names the usual one at every BEGIN after that.
        heard.append(record.query.replace("BEGIN ISOLATION LEVEL READ COMMITTED;", "BEGIN;"))

    def lent(connection: Any, _record: Any, _proxy: Any) -> None:
        driver = connection.driver_connection
        if id(driver) not in listening:
            listening[id(driver)] = driver
            driver.add_query_logger(to_the_driver)

    event.listen(engine, "before_cursor_execute", in_a_session)
    event.listen(engine, "checkout", lent)
    try:
        yield heard
    finally:
        event.remove(engine, "before_cursor_execute", in_a_session)
        event.remove(engine, "checkout", lent)
        for driver in listening.values():
            driver.remove_query_logger(to_the_driver)


_COLUMN_NAMES = text(
    "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = :name"
)


async def seal_rows(session: Any, *tables: SealedTable) -> None:
    """Seal every row of these tables as it stands (all tables unless some are named). The caller commits.

    On an older schema the columns that came later are left out.
    """
    for sealed in tables or SEALED_TABLES:
        table = sealed.table
        there = set(await session.scalars(_COLUMN_NAMES, {"name": table.name}))
        columns = [column for column in table.c if column.name in there]
        for row in (await session.execute(select(*columns))).mappings().all():
            mine = [table.c[name] == row[name] for name in sealed.key]
            made = seal_row(session, sealed, row)[MAC_COLUMN]
            if made != row[MAC_COLUMN]:
                await session.execute(update(table).where(*mine).values({MAC_COLUMN: made}))
