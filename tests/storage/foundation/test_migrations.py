"""Migrations: upgrade, downgrade, and the ORM tables against the database."""

import importlib
from uuid import uuid4

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import make_url, text
from sqlmodel import SQLModel

from machtiging.storage.engine import DatabaseRole, is_own_socket, make_engine
from machtiging.storage.migration_runner import MIGRATIONS, migrate_schema, newest_revision
from tests.builders.database import create_database_clone, drop_database, run_as_superuser, url_of_database

WITH_TABLES = (
    *("access_tokens", "agencies", "audit", "berichtenbox", "delegation", "identity", "notifications", "oauth"),
    *("organisations", "tasks"),
)


@pytest.fixture
async def migrated_url(template_url):
    """A database at the present schema that a test may migrate down and up."""
    url = await create_database_clone(template_url)
    yield url
    await drop_database(url)


async def names_in(url):
    engine = make_engine(url, None, pool_size=1)
    async with engine.connect() as connection:
        tables = await connection.execute(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        )
        functions = await connection.execute(
            text("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
        )
        found = {row[0] for row in tables} | {row[0] for row in functions}
    await engine.dispose()
    return found


async def test_downgrade_to_base_removes_everything(migrated_url):
    built = await names_in(migrated_url)
    assert {"machtiging", "journal", "bericht", "machtiging_keeps_its_word"} <= built
    await migrate_schema(migrated_url, "base")
    assert await names_in(migrated_url) == {"alembic_version"}
    await migrate_schema(migrated_url)
    assert await names_in(migrated_url) == built


async def version_of(url):
    engine = make_engine(url, None, pool_size=1)
    async with engine.connect() as connection:
        version = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    await engine.dispose()
    return version


async def test_downgrade_to_revision_removes_only_later_tables(migrated_url):
    built = await names_in(migrated_url)
    await migrate_schema(migrated_url, "0007")
    assert await version_of(migrated_url) == "0007"
    left = await names_in(migrated_url)
    assert {"bericht", "oauth_grant"} & built - left == {"bericht"}


@pytest.mark.whole
async def test_every_migration_can_be_downgraded_and_upgraded(migrated_url):
    built, steps = await names_in(migrated_url), [path.name[1:5] for path in sorted(MIGRATIONS.glob("versions/m*.py"))]
    for older in [*steps[-2::-1], "base"]:
        await migrate_schema(migrated_url, older)
        assert await version_of(migrated_url) == (None if older == "base" else older)
    assert await names_in(migrated_url) == {"alembic_version"}
    for newer in steps:
        await migrate_schema(migrated_url, newer)
        assert await version_of(migrated_url) == newer
    assert await names_in(migrated_url) == built


async def test_upgrading_twice_changes_nothing(migrated_url):
    built = await names_in(migrated_url)
    await migrate_schema(migrated_url)
    assert await names_in(migrated_url) == built


@pytest.fixture
async def administrator_url(template_url):
    """An empty database whose login administers our roles and cannot become them. As on PostgreSQL 16."""
    login, name = f"migrates_{uuid4().hex[:8]}", f"test_{uuid4().hex}"
    server = await asyncpg.connect(url_of_database(template_url, "postgres"))
    version = server.get_server_version().major
    await server.close()
    if version < 16:
        pytest.skip("before PostgreSQL 16 a member of a role can become it")
    grants = [f"GRANT {role.value} TO {login} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE" for role in DatabaseRole]
    await run_as_superuser(template_url, f"CREATE ROLE {login} LOGIN CREATEROLE PASSWORD '{login}'", *grants)
    await run_as_superuser(template_url, f"CREATE DATABASE {name} OWNER {login}")
    url = make_url(url_of_database(template_url, name)).set(username=login, password=login)
    yield url.render_as_string(hide_password=False)
    await drop_database(url_of_database(template_url, name))
    await run_as_superuser(template_url, f"DROP OWNED BY {login}", f"DROP ROLE {login}")


async def test_login_that_only_administers_the_roles_can_migrate(administrator_url):
    await migrate_schema(administrator_url)
    assert await version_of(administrator_url) == newest_revision()


async def test_orm_tables_match_the_database(database):
    for package in WITH_TABLES:
        importlib.import_module(f"machtiging.{package}.tables")
    async with database.service.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(sync, opts={"compare_type": True}), SQLModel.metadata
            )
        )
    # Indexes and constraints are in the migrations only; columns, types and nullability must match.
    about_columns = [d for d in differences if not (isinstance(d, tuple) and d[0].startswith("remove_"))]
    assert [d for d in about_columns if d[0] not in ("add_index", "add_fk", "add_constraint")] == []
    assert [d for d in differences if isinstance(d, tuple) and d[0] in ("remove_table", "remove_column")] == []


async def test_every_table_belongs_to_the_owner_role(database):
    async with database.service.connect() as connection:
        owners = await connection.execute(text("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"))
        assert {row[0] for row in owners} == {DatabaseRole.OWNER.value}
        assert await connection.scalar(text("SELECT current_user")) == DatabaseRole.SERVICE.value


@pytest.fixture
async def service_login(database, template_url):
    """An engine as in production: its login is a member of the service role only."""
    if is_own_socket(database.url):
        yield database.service
        return
    name, password = f"serves_{uuid4().hex}", uuid4().hex
    await run_as_superuser(
        template_url, f"CREATE ROLE {name} LOGIN PASSWORD '{password}' IN ROLE {DatabaseRole.SERVICE.value}"
    )
    own = make_url(database.url).set(username=name, password=password).render_as_string(hide_password=False)
    engine = make_engine(own, DatabaseRole.SERVICE, pool_size=1)
    yield engine
    await engine.dispose()
    await run_as_superuser(template_url, f"DROP ROLE {name}")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE t (i int)",
        "DROP TABLE bericht",
        "ALTER TABLE journal DISABLE TRIGGER ALL",
        "TRUNCATE bericht",
        "DELETE FROM machtiging",
        "DELETE FROM bericht",
        "DELETE FROM person",
        "DELETE FROM party",
        "DELETE FROM organisation",
        "DELETE FROM recognition",
        "DELETE FROM employee",
        "CREATE ROLE intruder",
        "SET ROLE machtiging_owner",
        "SET SESSION AUTHORIZATION machtiging_owner",
    ],
)
async def test_statement_outside_service_role_privileges_is_rejected(service_login, statement):
    async with service_login.connect() as connection:
        with pytest.raises(Exception, match="permission denied|must be owner"):
            await connection.execute(text(statement))


def test_newest_revision_is_the_alembic_head():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert newest_revision() == ScriptDirectory.from_config(config).get_current_head()
