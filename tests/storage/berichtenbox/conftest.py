"""Somebody else at the same database."""

import asyncpg
import pytest
from sqlalchemy import make_url


@pytest.fixture
async def outsider(database):
    """A connection of a superuser who gets in the way."""
    url = make_url(database.url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()
