"""Liveness and readiness: not ready is 503, without internal details."""

from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from machtiging.audit.row_states.statement_lines import mark_finished
from machtiging.health import MAX_CLOCK_SKEW
from machtiging.kernel.clock import SettableClock
from tests.builders.applications import copy_application
from tests.builders.database import url_of_database
from tests.builders.portal import assemble_service
from tests.builders.rows import JOURNAL_INTAKE
from tests.storage.audit.journalled_rows import JOURNALLED, make_row, put_row


@pytest.fixture
def ask_health(database):
    assemble_service()  # the first connection takes a while, and the clock of a test stands still

    async def answer(clock, path="/health/ready", **services):
        app = copy_application(assemble_service(), clock=clock, sessions=database.sessions, **services)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=app.state.services.issuer) as client:
            return await client.get(path)

    return answer


def make_clock(**off):
    return SettableClock(datetime.now(UTC) + timedelta(**off))


async def test_readiness_with_agreeing_clocks_returns_200(ask_health):
    answer = await ask_health(make_clock())
    assert (answer.status_code, answer.json()["controles"]["klok"]) == (200, "ok")


async def test_readiness_with_rows_that_are_not_sealed_yet_names_their_table(ask_health, database):
    tables = {"journalled_tables": (JOURNALLED,)}

    async def read_warnings():
        return (await ask_health(make_clock(), **tables)).json().get("waarschuwingen", {})

    assert "rijen" not in await read_warnings()
    await put_row(database, make_row(mac=b""))
    answer = await ask_health(make_clock(), **tables)
    assert answer.status_code == 200
    assert "initial_access_token (machtiging keys seal-rows)" in answer.json()["waarschuwingen"]["rijen"]
    async with database.sessions.begin() as session:
        await mark_finished(session, JOURNALLED, at=datetime.now(UTC), operator=None)
    assert "rijen" not in await read_warnings()


@pytest.mark.parametrize("seconds", [-3600, -60, 60, 3600])
async def test_row_50_readiness_of_worker_with_clock_skew_returns_503(ask_health, seconds):
    assert timedelta(seconds=60) > MAX_CLOCK_SKEW
    answer = await ask_health(make_clock(seconds=seconds))
    assert answer.status_code == 503
    assert answer.json()["controles"] == {
        "database": "ok",
        "klok": "loopt niet gelijk met de database",
        "beleid": "ok",
    }
    alive = await ask_health(make_clock(seconds=seconds), "/health/live")
    assert alive.status_code == 200


async def test_readiness_without_database_schema_returns_503(ask_health, database):
    connection = await asyncpg.connect(url_of_database(database.url, database.service.url.database))
    await connection.execute("DELETE FROM alembic_version")
    await connection.close()
    answer = await ask_health(make_clock())
    assert (answer.status_code, answer.json()["controles"]["database"]) == (503, "heeft ons schema niet")


@pytest.mark.parametrize(
    ("spoiling", "told"),
    [
        ("SET default_transaction_read_only = on", "neemt niets aan"),
        ("SET search_path = pg_catalog", "heeft ons schema niet"),
    ],
)
async def test_readiness_on_spoilt_connections_returns_503_once_and_recovers(ask_health, database, spoiling, told):
    lent = [await database.service.raw_connection() for _ in range(3)]
    for one in lent:
        await one.driver_connection.execute(spoiling)
    for one in lent:
        one.close()
    answer = await ask_health(make_clock())
    assert (answer.status_code, answer.json()["controles"]["database"]) == (503, told)
    assert (await ask_health(make_clock())).status_code == 200


async def test_readiness_check_is_not_journalled(ask_health, database):
    assert (await ask_health(make_clock())).status_code == 200
    async with database.sealer.connect() as connection:
        assert await JOURNAL_INTAKE.count(connection) == 0


@pytest.mark.parametrize(
    ("change", "undo", "told"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "", "heeft een ander schema"),
        (
            "ALTER DATABASE {} SET default_transaction_read_only = on",
            "ALTER DATABASE {} RESET default_transaction_read_only",
            "neemt niets aan",
        ),
        (
            "REVOKE INSERT ON journal_intake FROM machtiging_service",
            "GRANT INSERT ON journal_intake TO machtiging_service",
            "geeft een andere rol",
        ),
    ],
    ids=["newer schema", "read only", "no rights"],
)
async def test_readiness_on_unusable_database_returns_503(ask_health, database, change, undo, told):
    name = f'"{database.service.url.database}"'
    await database.service.dispose()
    connection = await asyncpg.connect(url_of_database(database.url, database.service.url.database))
    try:
        await connection.execute(change.format(name))
        answer = await ask_health(make_clock())
        await connection.execute("SET default_transaction_read_only = off")
        if undo:
            await connection.execute(undo.format(name))
    finally:
        await connection.close()
    assert (answer.status_code, answer.json()["controles"]["database"]) == (503, told)
