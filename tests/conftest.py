"""Hypothesis profiles, the marker `whole` by folder, and the fixtures that all tests share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import hypothesis
import pytest
import structlog
import uvloop
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.kernel.clock import SettableClock
from tests.builders.command_line import CommandLine, make_command_line
from tests.builders.database import Database, database_clone, migrated_template

# `make test` runs the first profile, `make test-whole` the second. No deadline: a busy machine is no counterexample.
hypothesis.settings.register_profile("machtiging", deadline=None, max_examples=30)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=100)
hypothesis.settings.load_profile("machtiging")

# The traceback that structlog draws by default has every local variable: a test with a fault took most of a minute.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

# The event loop that the service runs on.
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
# The tests with the marker `whole`: every test in these folders starts a server or an installation.
SLOW_FOLDERS = ("tests/interop/", "tests/journeys/", "tests/protocol/black_box/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(SLOW_FOLDERS):
            item.add_marker(pytest.mark.whole)


@pytest.fixture(scope="session")
def template_url(worker_id: str) -> Iterator[str]:
    """The URL of this worker's migrated template database."""
    with migrated_template(f"machtiging_template_{worker_id}") as url:
        yield url


@pytest.fixture
async def database(template_url: str) -> AsyncIterator[Database]:
    """A fresh, empty clone of the template, for a test that commits."""
    async with database_clone(template_url) as clone:
        yield clone


@pytest.fixture(scope="session")
async def rollback_database(template_url: str) -> AsyncIterator[Database]:
    """A clone that stays empty: every test on it rolls back."""
    async with database_clone(template_url) as clone:
        yield clone


@pytest.fixture
async def session(rollback_database: Database) -> AsyncIterator[AsyncSession]:
    """A session in the service role, for a test that does not commit. Rolled back at the end."""
    async with rollback_database.service.connect() as connection:
        await connection.begin()
        async with rollback_database.sessions(bind=connection, join_transaction_mode="rollback_only") as opened:
            yield opened


@pytest.fixture
def clock() -> SettableClock:
    """Noon on 23 November 2026, until the test moves it."""
    return SettableClock(NOON)


@pytest.fixture
def run_command(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    """The command line of an installation on the database of the test."""
    return make_command_line(database.url, tmp_path, capsys, monkeypatch)


@pytest.fixture
async def superuser_connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection as superuser, for locks, broken rows and changes meanwhile."""
    connection = await asyncpg.connect(database.url)
    yield connection
    await connection.close()
