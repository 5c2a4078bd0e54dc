"""A second connection to the same database."""

import asyncpg
import pytest
from sqlalchemy import make_url


@pytest.fixture
async def superuser_connection(database):
    """A superuser connection for locks and concurrent changes."""
    url = make_url(database.url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()
