"""The API of the Berichtenbox, and a superuser at the same database."""

import asyncpg
import pytest
from sqlalchemy import make_url

from tests.builders.berichtenbox import a_world


@pytest.fixture
async def world(database, clock):
    return await a_world(database, clock)


@pytest.fixture
async def outsider(database):
    """A connection of a superuser who gets in the way."""
    url = make_url(database.url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()
