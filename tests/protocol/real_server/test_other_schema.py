"""`serve` on the schema of another release: a clear refusal to start, and no answer."""

import asyncio

import pytest
from sqlalchemy import text

from machtiging.kernel.errors import Fault
from machtiging.storage.migration_runner import newest_revision, require_newest_schema
from tests.builders.database import bypass_triggers
from tests.builders.keys import make_key_directory
from tests.protocol.real_server.serve_process import ServeProcess, wait_until

OTHER_REVISIONS = {"older": "0020", "newer": "9999"}


async def set_revision(database, revision):
    async with bypass_triggers(database) as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = :new"), {"new": revision})


@pytest.mark.parametrize(("age", "remedy"), [("older", "machtiging migrate"), ("newer", "newer release")])
async def test_schema_of_another_release_is_refused_with_the_remedy(database, age, remedy):
    await set_revision(database, OTHER_REVISIONS[age])
    with pytest.raises(Fault) as refused:
        await require_newest_schema(database.sessions)
    assert refused.value.code == "ander_schema"
    assert remedy in refused.value.private
    assert newest_revision() in refused.value.private


@pytest.mark.parametrize("statement", ["DELETE FROM alembic_version", "DROP TABLE alembic_version"])
async def test_database_without_schema_is_refused(database, statement):
    async with bypass_triggers(database) as connection:
        await connection.execute(text(statement))
    with pytest.raises(Fault) as refused:
        await require_newest_schema(database.sessions)
    assert refused.value.code == "geen_schema"


@pytest.mark.whole
@pytest.mark.parametrize("words", [(), ("--workers", "2")], ids=["one", "two"])
@pytest.mark.parametrize("age", OTHER_REVISIONS)
async def test_serve_on_the_schema_of_another_release_ends_with_the_reason(database, tmp_path, age, words):
    make_key_directory(tmp_path / "keys")
    await set_revision(database, OTHER_REVISIONS[age])
    server = ServeProcess(tmp_path, MACHTIGING_DATABASE_URL=database.url)
    server.start(*words)
    try:
        assert await asyncio.to_thread(server.process.wait, 60) == 3
        assert "another release" in server.read_output()
    finally:
        server.kill()


@pytest.mark.whole
async def test_worker_that_starts_after_a_migration_serves_nothing(database, tmp_path):
    """A web process of the release before, started again: the others answer `ready` with 503."""
    make_key_directory(tmp_path / "keys")
    server = ServeProcess(tmp_path, MACHTIGING_DATABASE_URL=database.url, MACHTIGING_WORKER_INSIDE="false")
    server.start("--workers", "2")
    try:
        await wait_until(server.is_ready)
        await set_revision(database, OTHER_REVISIONS["newer"])
        server.workers()[0].kill()

        async def is_refused():
            return "ander_schema" in server.read_output()

        await wait_until(is_refused)
        assert not await server.is_ready()
    finally:
        server.kill()
