"""Migrate a database to the current schema, after creating the three roles.

The schema of another release may lack a rule of this code, or have one that this code ignores: nothing is served on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from machtiging.kernel.errors import Fault
from machtiging.kernel.sqlstate import find_sqlstate
from machtiging.storage.engine import DatabaseRole, make_engine

MIGRATIONS = Path(__file__).parent / "migrations"
# Advisory lock for one migration at a time per database: an arbitrary but fixed number.
_MIGRATION_LOCK_ID = 5_403_617
# Since PostgreSQL 16 a login without superuser that creates a role is a member that may not SET ROLE to it.
_CAN_SET_ROLE = text(
    "SELECT pg_has_role(current_user, :role, CASE WHEN current_setting('server_version_num')::int < 160000 "
    "THEN 'MEMBER' ELSE 'SET' END)"
)
_REVOKE_TEMPORARY_TABLES = text(
    "DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); "
    "EXCEPTION WHEN insufficient_privilege THEN NULL; END $$"
)
_REVOKE_CREATE_TABLES = text(
    "DO $$ BEGIN REVOKE CREATE ON SCHEMA public FROM PUBLIC; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$"
)
_ROW_MAC_REVISION = "0018"
_REVISION_QUERY = text("SELECT version_num FROM alembic_version")
_UNDEFINED_TABLE = "42P01"
_log = structlog.get_logger(__name__)
SealRows = Callable[[AsyncConnection], Awaitable[object]]


def _make_config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


@cache
def newest_revision() -> str:
    """Return the schema revision required by this code: the highest number of the linear chain."""
    # From the file names: loading all migrations takes a second on a busy machine.
    return max(path.name[1:5] for path in (MIGRATIONS / "versions").glob("m[0-9]*.py"))


def check_revision(found: str | None) -> None:
    """Check that the schema has the revision of this code. Raises Fault `geen_schema` or `ander_schema`."""
    if found is None:
        raise Fault("geen_schema", private="alembic_version is empty. Run `machtiging migrate`.")
    wanted = newest_revision()
    if found != wanted:
        remedy = "Run `machtiging migrate`." if found < wanted else "Start the newer release."
        raise Fault("ander_schema", private=f"The schema is at {found}, not at {wanted}. {remedy}")


async def require_newest_schema(sessions: Callable[[], AsyncSession]) -> None:
    """Require the revision of this code before serving. Raises as `check_revision`.

    A database that does not answer stops nothing: the service waits for it, and `ready` says so.
    """
    try:
        async with sessions() as session:
            found: str | None = await session.scalar(_REVISION_QUERY)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        if find_sqlstate(error) == _UNDEFINED_TABLE:
            raise Fault("geen_schema", private="There are no tables. Run `machtiging migrate`.") from error
        _log.warning("schema_not_checked", detail=type(error).__name__)
        return
    check_revision(found)


async def ensure_roles(connection: AsyncConnection) -> None:
    """Create missing roles and grant them to the login role. Needs CREATEROLE if any is missing.

    They may log in, but have no password: only a server with trust authentication on its socket accepts them.
    """
    for role in DatabaseRole:
        await connection.execute(
            text(
                f"DO $$ BEGIN CREATE ROLE {role.value} LOGIN; "
                "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
            )
        )
        if not await connection.scalar(_CAN_SET_ROLE, {"role": role.value}):
            await connection.execute(text(f"GRANT {role.value} TO CURRENT_USER"))
    await connection.execute(text(f"GRANT CREATE, USAGE ON SCHEMA public TO {DatabaseRole.OWNER.value}"))
    await connection.execute(
        text(f"GRANT USAGE ON SCHEMA public TO {DatabaseRole.SERVICE.value}, {DatabaseRole.SEALER.value}")
    )


async def revoke_public_privileges(connection: AsyncConnection) -> None:
    """Revoke from PUBLIC the right to create tables that would shadow ours.

    These are temporary tables, and tables in our schema. A login that does not own the database or the schema cannot
    revoke them; then `machtiging doctor` says what the owner has to do.
    """
    for statement in (_REVOKE_TEMPORARY_TABLES, _REVOKE_CREATE_TABLES):
        await connection.execute(statement)


async def migrate_schema(
    url: str, target: str = "head", seal_rows: SealRows | None = None, finish: SealRows | None = None
) -> None:
    """Upgrade, or downgrade to an older target or `base`, in one transaction. Raises database errors.

    `seal_rows` gets the rows from before row MACs existed, only in the transaction that adds the MAC column. At any
    other time a database writer could have forged rows sealed. Unsealed rows give no access. `finish` runs at the
    end of the transaction when the schema is the newest.
    """
    engine = make_engine(url, None, pool_size=1, statement_timeout_ms=600_000)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK_ID})
            await ensure_roles(connection)
            await revoke_public_privileges(connection)
            await connection.execute(text(f"SET LOCAL ROLE {DatabaseRole.OWNER.value}"))
            if _ROW_MAC_REVISION in await connection.run_sync(_run_migrations, target) and seal_rows is not None:
                await seal_rows(connection)
            if finish is not None and newest_revision() in await connection.run_sync(_applied_revisions):
                await finish(connection)
            await connection.execute(text(f"GRANT SELECT ON alembic_version TO {DatabaseRole.SERVICE.value}"))
    finally:
        await engine.dispose()


async def find_database_to_downgrade(url: str, target: str) -> str | None:
    """Return the database name if `target` is a downgrade, which drops data; else None.

    Raises alembic's CommandError for an unknown target.
    """
    engine = make_engine(url, None, pool_size=1)
    try:
        async with engine.connect() as connection:
            back = await connection.run_sync(_is_downgrade, target)
            name: str | None = await connection.scalar(text("SELECT current_database()")) if back else None
    finally:
        await engine.dispose()
    return name


def _is_downgrade(connection: Connection, target: str) -> bool:
    there = MigrationContext.configure(connection).get_current_revision()
    wanted = ScriptDirectory.from_config(_make_config(connection)).get_revision(target)
    stays = there == (None if wanted is None else wanted.revision)
    return not stays and _choose_command(connection, target) is command.downgrade


def _choose_command(connection: Connection, target: str) -> Callable[..., None]:
    script = ScriptDirectory.from_config(_make_config(connection))
    there = MigrationContext.configure(connection).get_current_revision()
    passed = {one.revision for one in script.walk_revisions(head=there)} if there else set[str]()
    wanted = script.get_revision(target)
    # Alembic would treat an upgrade to an applied revision as no steps at all.
    back = wanted is None or wanted.revision in passed
    return command.downgrade if back else command.upgrade


def _run_migrations(connection: Connection, target: str) -> set[str]:
    """Run the migrations and return the revisions that were added."""
    before = _applied_revisions(connection)
    _choose_command(connection, target)(_make_config(connection), target)
    return _applied_revisions(connection) - before


def _applied_revisions(connection: Connection) -> set[str]:
    there = MigrationContext.configure(connection).get_current_revision()
    script = ScriptDirectory.from_config(_make_config(connection))
    return {one.revision for one in script.walk_revisions(head=there)} if there else set()


def migrate_schema_sync(url: str, target: str = "head") -> None:
    """Run `migrate_schema` for callers without an event loop."""
    asyncio.run(migrate_schema(url, target))
