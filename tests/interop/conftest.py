"""A database for servers that run beside the tests."""

from uuid import uuid4

import pytest
from sqlalchemy import make_url

from tests.conftest import admin, dsn


@pytest.fixture(scope="session")
async def shared_database(postgres_url):
    """A migrated database for servers of ours; each registers clients of its own."""
    name = f"i_{uuid4().hex}"
    template = make_url(postgres_url).database
    await admin(postgres_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    yield dsn(postgres_url, name)
    await admin(postgres_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
