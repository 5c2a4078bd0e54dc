"""The API of the Berichtenbox, and a superuser at the same database."""

import asyncpg
import pytest
from sqlalchemy import make_url

from tests.builders.berichtenbox import a_world


@pytest.fixture
async def world(database, clock):
    return await a_world(database, clock)


@pytest.fixture
async def superuser_connection(database):
    """A superuser connection for locks and concurrent changes."""
    url = make_url(database.url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()
