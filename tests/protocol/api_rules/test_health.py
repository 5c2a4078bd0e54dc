"""Alive and ready: not ready is said with 503, and never with what is inside."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from machtiging.health import LARGEST_CLOCK_SKEW
from machtiging.kernel.clock import SettableClock
from tests.builders.real_server import an_assembled_world
from tests.conftest import dsn


async def asked(database, place, clock, path="/health/ready"):
    world = await an_assembled_world(database.url, clock, place)
    async with world.client() as client:
        answer = await client.get(path)
    for engine in world.app.state.engines:
        await engine.dispose()
    return answer


def a_clock(**off):
    return SettableClock(datetime.now(UTC) + timedelta(**off))


async def test_a_service_whose_clock_agrees_with_the_database_is_ready(database, tmp_path):
    answer = await asked(database, tmp_path, a_clock())
    assert (answer.status_code, answer.json()["controles"]["klok"]) == (200, "ok")


@pytest.mark.parametrize("seconds", [-3600, -60, 60, 3600])
async def test_row_50_a_worker_whose_clock_is_off_takes_itself_out_of_service(database, tmp_path, seconds):
    assert timedelta(seconds=60) > LARGEST_CLOCK_SKEW
    answer = await asked(database, tmp_path, a_clock(seconds=seconds))
    assert answer.status_code == 503
    assert answer.json()["controles"] == {
        "database": "ok",
        "klok": "loopt niet gelijk met de database",
        "beleid": "ok",
    }
    alive = await asked(database, tmp_path, a_clock(seconds=seconds), "/health/live")
    assert alive.status_code == 200


async def test_a_database_without_our_schema_is_not_ready(database, tmp_path):
    world = await an_assembled_world(database.url, a_clock(), tmp_path)
    connection = await asyncpg.connect(dsn(database.url, database.service.url.database))
    await connection.execute("DELETE FROM alembic_version")
    await connection.close()
    async with world.client() as client:
        answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["controles"]["database"]) == (503, "heeft ons schema niet")
    for engine in world.app.state.engines:
        await engine.dispose()
