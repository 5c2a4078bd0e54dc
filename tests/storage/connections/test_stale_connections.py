"""A stale pooled connection is discarded, and its pool is renewed."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text

from machtiging.kernel.errors import Fault
from machtiging.storage.autocommit import autocommit_connection
from machtiging.storage.engine import DatabaseRole, make_engine, make_sessions
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import run_as_superuser
from tests.storage.connections.pgbouncer import middlebox

SIZE = 4
WRITE = "INSERT INTO used_assertion VALUES ('c', sha256(gen_random_uuid()::text::bytea), now())"
# Name: the statement that makes a connection stale, and whether its error renews the whole pool.
SPOILT = {
    "read only after a fail-over": ("SET default_transaction_read_only = on", True),
    "another search_path": ("SET search_path = pg_catalog", True),
    "statements end at once": ("SET statement_timeout = 1", False),
}


@pytest.fixture
async def engine(database):
    made = make_engine(database.url, DatabaseRole.SERVICE, pool_size=SIZE)
    yield made
    await made.dispose()


async def spoil(engine, statement, count=SIZE):
    """Make the existing connections stale, as a fail-over, a migration or a pooler does."""
    lent = [await engine.raw_connection() for _ in range(count)]
    for one in lent:
        await one.driver_connection.execute(statement)
    for one in lent:
        one.close()


async def write_in_a_session(engine):
    async with unit_of_work(make_sessions(engine)) as session:
        await session.execute(text("SELECT pg_sleep(0.002)"))
        await session.execute(text(WRITE))


async def write_in_autocommit(engine):
    async with autocommit_connection(make_sessions(engine)) as work:
        await work.fetchrow("SELECT pg_sleep(0.002) WHERE $1::int = 1", 1)
        await work.execute(WRITE.replace("'c'", "$1"), "c")


WRITERS = pytest.mark.parametrize("write", [write_in_a_session, write_in_autocommit], ids=["session", "autocommit"])


async def failures(engine, write, count):
    failed = 0
    for _ in range(count):
        try:
            await write(engine)
        except Fault as fault:
            failed += fault.code == "opslag_niet_bereikbaar"
    return failed


@WRITERS
@pytest.mark.parametrize("name", SPOILT)
async def test_writes_recover_when_every_pooled_connection_is_stale(engine, write, name):
    statement, whole_pool = SPOILT[name]
    assert await failures(engine, write, 1) == 0
    await spoil(engine, statement)
    failed = await failures(engine, write, 3 * SIZE)
    assert 1 <= failed <= (1 if whole_pool else SIZE)
    assert await failures(engine, write, SIZE) == 0


@WRITERS
async def test_concurrent_writes_fail_at_most_once_per_stale_connection(engine, write):
    await spoil(engine, SPOILT["read only after a fail-over"][0])
    failed = sum(await asyncio.gather(*(failures(engine, write, 3) for _ in range(2 * SIZE))))
    assert 1 <= failed <= SIZE


async def test_autocommit_failure_renews_session_connections(engine):
    await spoil(engine, SPOILT["read only after a fail-over"][0])
    assert await failures(engine, write_in_autocommit, 1) == 1
    assert await failures(engine, write_in_a_session, SIZE) == 0


@WRITERS
async def test_connection_without_its_role_fails_once(database, write):
    name = f"m_{uuid4().hex[:8]}"
    await run_as_superuser(database.url, f"CREATE ROLE {name} LOGIN NOINHERIT PASSWORD 'x' IN ROLE machtiging_service")
    async with middlebox(database.url, b"", b"") as port:
        url = f"postgresql://{name}:x@127.0.0.1:{port}/{make_url(database.url).database}?sslmode=disable"
        engine = make_engine(url, DatabaseRole.SERVICE, pool_size=SIZE)
        await spoil(engine, "RESET ROLE")
        assert await failures(engine, write, 2 * SIZE) == 1
        await engine.dispose()
    await run_as_superuser(database.url, f"DROP ROLE {name}")


@WRITERS
async def test_stale_prepared_plan_fails_at_most_one_request(engine, database, write):
    async def read(engine):
        if write is write_in_a_session:
            async with unit_of_work(make_sessions(engine)) as session:
                await session.execute(text("SELECT * FROM spoilt"))
        else:
            async with autocommit_connection(make_sessions(engine)) as work:
                await work.fetchrow("SELECT * FROM spoilt WHERE one = $1", 1)

    owner = make_engine(database.url, None, pool_size=1)
    async with owner.begin() as connection:
        await connection.execute(text("CREATE TABLE spoilt (one int)"))
        await connection.execute(text("GRANT SELECT ON spoilt TO machtiging_service"))
    assert await failures(engine, read, 8) == 0
    async with owner.begin() as connection:
        await connection.execute(text("ALTER TABLE spoilt ADD COLUMN two text"))
    assert await failures(engine, read, 3 * SIZE) <= 1
    async with owner.begin() as connection:
        await connection.execute(text("DROP TABLE spoilt"))
    await owner.dispose()


async def test_constraint_violation_keeps_the_connection(engine):
    async def pid():
        async with engine.connect() as connection:
            return await connection.scalar(text("SELECT pg_backend_pid()"))

    before = await pid()
    with pytest.raises(Fault):
        async with unit_of_work(make_sessions(engine)) as session:
            await session.execute(text("INSERT INTO used_assertion (client_id) VALUES (NULL)"))
    assert await pid() == before
