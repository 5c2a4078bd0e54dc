"""`machtiging migrate` to an older revision: never in production, elsewhere with the database name."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url, text

from machtiging.storage.engine import make_engine
from machtiging.storage.migration_runner import MIGRATIONS, migrate_schema
from tests.builders.command_line import make_command_line
from tests.storage.foundation.test_migrations import migrated_url, names_in, version_of

__all__ = ["migrated_url"]
OLDER = ["base", *sorted(path.name[1:5] for path in MIGRATIONS.glob("versions/m*.py"))[:-1]]
NEWEST = sorted(path.name[1:5] for path in MIGRATIONS.glob("versions/m*.py"))[-1]


@pytest.fixture
def run_command(migrated_url, tmp_path, capsys, monkeypatch):
    return make_command_line(migrated_url, tmp_path, capsys, monkeypatch)


@pytest.mark.parametrize("older", [OLDER[0], OLDER[1], OLDER[-1]])
@pytest.mark.parametrize("named", [[], ["--yes-drop", ""], ["--yes-drop", "postgres"], ["--yes-drop", "ja"]])
async def test_downgrade_without_database_name_is_rejected(run_command, migrated_url, older, named):
    built = await names_in(migrated_url)
    ended = await run_command("migrate", older, *named)
    assert (ended.code, "terugdraaien_niet_bevestigd" in ended.operator_output) == (1, True)
    assert await names_in(migrated_url) == built


@pytest.mark.parametrize("older", [OLDER[0], OLDER[-1]])
async def test_downgrade_in_production_is_rejected(run_command, migrated_url, older, monkeypatch):
    monkeypatch.setenv("MACHTIGING_ENV", "production")
    built = await names_in(migrated_url)
    ended = await run_command("migrate", older, "--yes-drop", make_url(migrated_url).database)
    assert (ended.code, "terugdraaien_in_productie" in ended.operator_output) == (1, True)
    assert await names_in(migrated_url) == built


async def test_downgrade_with_database_name_succeeds(run_command, migrated_url):
    ended = await run_command("migrate", "0007", "--yes-drop", make_url(migrated_url).database)
    assert (ended.code, await version_of(migrated_url)) == (0, "0007")


@pytest.mark.parametrize("target", ["head", NEWEST])
async def test_upgrade_needs_no_confirmation(run_command, migrated_url, target, monkeypatch):
    monkeypatch.setenv("MACHTIGING_ENV", "production")
    assert (await run_command("migrate", target)).code == 0
    await migrate_schema(migrated_url, OLDER[-1])
    assert ((await run_command("migrate", target)).code, await version_of(migrated_url)) == (0, NEWEST)


async def test_migrate_to_unknown_revision_is_a_usage_error(run_command, migrated_url):
    assert (await run_command("migrate", "9999")).code == 2
    assert await version_of(migrated_url) == NEWEST


async def test_downgrade_of_empty_database_needs_no_confirmation(run_command, migrated_url):
    engine = make_engine(migrated_url, None, pool_size=1)
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    await engine.dispose()
    assert (await run_command("migrate", "base")).code == 0
