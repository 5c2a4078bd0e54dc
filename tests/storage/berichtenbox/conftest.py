"""The API of the Berichtenbox, and a superuser at the same database."""

import asyncpg
import pytest
from sqlalchemy import make_url

from tests.builders.letters import make_berichtenbox_world


@pytest.fixture
async def world(database, clock):
    return await make_berichtenbox_world(database, clock)


@pytest.fixture
async def superuser_connection(database):
    """A superuser connection for locks and concurrent changes."""
    url = make_url(database.url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()
