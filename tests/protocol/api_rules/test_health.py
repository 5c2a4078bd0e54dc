"""Alive and ready: not ready is said with 503, and never with what is inside."""

from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from machtiging.health import LARGEST_CLOCK_SKEW
from machtiging.kernel.clock import SettableClock
from tests.builders.applications import with_own_state
from tests.builders.database import dsn
from tests.builders.portal import the_assembled


@pytest.fixture
def asked(database):
    async def answer(clock, path="/health/ready"):
        app = with_own_state(the_assembled(), clock=clock, sessions=database.sessions)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=app.state.issuer) as client:
            return await client.get(path)

    return answer


def a_clock(**off):
    return SettableClock(datetime.now(UTC) + timedelta(**off))


async def test_a_service_whose_clock_agrees_with_the_database_is_ready(asked):
    answer = await asked(a_clock())
    assert (answer.status_code, answer.json()["controles"]["klok"]) == (200, "ok")


@pytest.mark.parametrize("seconds", [-3600, -60, 60, 3600])
async def test_row_50_a_worker_whose_clock_is_off_takes_itself_out_of_service(asked, seconds):
    assert timedelta(seconds=60) > LARGEST_CLOCK_SKEW
    answer = await asked(a_clock(seconds=seconds))
    assert answer.status_code == 503
    assert answer.json()["controles"] == {
        "database": "ok",
        "klok": "loopt niet gelijk met de database",
        "beleid": "ok",
    }
    alive = await asked(a_clock(seconds=seconds), "/health/live")
    assert alive.status_code == 200


async def test_a_database_without_our_schema_is_not_ready(asked, database):
    connection = await asyncpg.connect(dsn(database.url, database.service.url.database))
    await connection.execute("DELETE FROM alembic_version")
    await connection.close()
    answer = await asked(a_clock())
    assert (answer.status_code, answer.json()["controles"]["database"]) == (503, "heeft ons schema niet")
