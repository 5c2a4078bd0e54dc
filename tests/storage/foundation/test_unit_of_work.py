"""The unit of work: one transaction per request, its commit, rollback and errors."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from machtiging.kernel.errors import Fault, NotFound
from machtiging.storage.engine import DatabaseRole, make_engine
from machtiging.storage.unit_of_work import Transaction, unit_of_work
from tests.builders.applications import replace_services
from tests.builders.rows import AGENCIES

INSERT = text("INSERT INTO agency VALUES ('00000099000000000001', 'Proef', true)")


async def count(database):
    async with database.sessions() as session:
        return await AGENCIES.count(session)


async def test_unit_of_work_commits(database):
    async with unit_of_work(database.sessions) as session:
        await session.execute(INSERT)
    assert await count(database) == 1


async def test_refusal_commits_and_is_raised(database):
    with pytest.raises(NotFound):
        async with unit_of_work(database.sessions) as session:
            await session.execute(INSERT)
            raise NotFound("weg")
    assert await count(database) == 1


@pytest.mark.parametrize("error", [Fault("stuk"), ValueError("onverwacht"), asyncio.CancelledError()])
async def test_fault_error_or_cancellation_rolls_back(database, error):
    with pytest.raises(type(error)):
        async with unit_of_work(database.sessions) as session:
            await session.execute(INSERT)
            raise error
    assert await count(database) == 0


async def test_database_error_is_a_fault_without_detail(database):
    with pytest.raises(Fault) as fault:
        async with unit_of_work(database.sessions) as session:
            await session.execute(text("SELECT 1/0"))
    assert fault.value.code == "opslag_niet_bereikbaar"
    assert fault.value.message is None


async def test_failed_commit_returns_500(database):
    app = FastAPI()
    replace_services(app, sessions=database.sessions)

    @app.get("/")
    async def route(session: Transaction) -> dict[str, str]:
        await session.execute(INSERT)
        # The connection is terminated before the commit.
        await session.execute(text("SELECT pg_backend_pid()"))
        raw = await (await session.connection()).get_raw_connection()
        raw.driver_connection.terminate()
        return {"status": "ok"}

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        answer = await client.get("/")
    assert answer.status_code == 500
    assert await count(database) == 0


async def test_statement_and_lock_timeout_are_set_on_the_server(database):
    engine = make_engine(database.url, DatabaseRole.SERVICE, pool_size=1, statement_timeout_ms=900)
    async with engine.connect() as connection:
        limits = [await connection.scalar(text(f"SHOW {name}")) for name in ("statement_timeout", "lock_timeout")]
    await engine.dispose()
    assert limits == ["900ms", "300ms"]
