"""Search path, shadowing objects, grants and locks of the database roles."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from machtiging.audit.seal import seal_intake
from machtiging.storage.engine import DatabaseRole, make_engine
from tests.builders.keys import load_keyring
from tests.storage.audit.journal_lines import record_journal_lines

FIXED = "search_path=pg_catalog, public, pg_temp"
SHADOW = "CREATE TEMPORARY TABLE {0} (LIKE public.{0})"


async def execute_as(database, role, *statements):
    engine = make_engine(database.url, role, pool_size=1)
    try:
        async with engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement))
    finally:
        await engine.dispose()


async def rows_of(database, query):
    connection = await asyncpg.connect(database.url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_every_database_function_has_a_fixed_search_path(database):
    ours = await rows_of(
        database, "SELECT proname, proconfig, prosecdef FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    )
    assert len(ours) >= 3
    assert {name: (config, definer) for name, config, definer in ours if (config, definer) != ([FIXED], False)} == {}


@pytest.mark.parametrize("role", [DatabaseRole.SERVICE, DatabaseRole.SEALER, DatabaseRole.OWNER])
@pytest.mark.parametrize("table", ["journal", "journal_intake", "machtiging", "login_session"])
async def test_temporary_table_shadowing_is_rejected(database, role, table):
    with pytest.raises(DBAPIError, match="permission denied"):
        await execute_as(database, role, SHADOW.format(table))


@pytest.mark.parametrize("role", [DatabaseRole.SERVICE, DatabaseRole.SEALER])
@pytest.mark.parametrize("statement", ["CREATE TABLE public.shadow (i int)", "CREATE SCHEMA shadow"])
async def test_creating_shadowing_object_is_rejected(database, role, statement):
    with pytest.raises(DBAPIError, match="permission denied"):
        await execute_as(database, role, statement)


async def test_intake_delete_with_shadowed_journal_is_rejected(database, clock):
    """The trigger function holds even if temporary tables are allowed again."""
    await record_journal_lines(database, clock, 1)
    name = (await rows_of(database, "SELECT current_database()"))[0][0]
    await execute_as(database, None, f'GRANT TEMPORARY ON DATABASE "{name}" TO machtiging_sealer')
    try:
        with pytest.raises(DBAPIError, match="append-only"):
            await execute_as(
                database,
                DatabaseRole.SEALER,
                "CREATE TEMPORARY TABLE journal AS SELECT * FROM public.journal_intake",
                "SET LOCAL search_path = pg_temp, public",
                "DELETE FROM public.journal_intake",
            )
    finally:
        await execute_as(database, None, f'REVOKE TEMPORARY ON DATABASE "{name}" FROM machtiging_sealer')


# What each role may do to a table of ours, as `aclexplode` says it. The owner owns them all.
SERVICE_READS = {"alembic_version", "journal", "journal_head"}
SERVICE_ADDS = {"journal_intake", "bijlage", "bijlage_part", "reader_mark"}


async def test_table_grants_are_minimal_per_role(database):
    grants = await rows_of(
        database,
        "SELECT relname::text, coalesce(rolname::text, 'PUBLIC'), privilege_type, is_grantable FROM pg_class, "
        "aclexplode(relacl) LEFT JOIN pg_roles r ON r.oid = grantee "
        "WHERE relnamespace = 'public'::regnamespace AND grantee <> relowner",
    )
    assert {grantee for _, grantee, _, _ in grants} == {DatabaseRole.SERVICE.value, DatabaseRole.SEALER.value}
    assert not [grant for grant in grants if grant[3] or grant[2] in ("TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN")]
    sealer = sorted((table, right) for table, who, right, _ in grants if who == DatabaseRole.SEALER.value)
    assert sealer == [
        ("journal", "INSERT"),
        ("journal", "SELECT"),
        ("journal_head", "INSERT"),
        ("journal_head", "SELECT"),
        ("journal_intake", "DELETE"),
        ("journal_intake", "SELECT"),
        ("sealing_turn", "UPDATE"),
    ]
    service = {(table, right) for table, who, right, _ in grants if who == DatabaseRole.SERVICE.value}
    assert {right for table, right in service if table in SERVICE_READS} == {"SELECT"}
    assert {right for table, right in service if table in SERVICE_ADDS} == {"SELECT", "INSERT"}
    assert not [right for table, right in service if table == "sealing_turn"]


async def test_no_role_has_superuser_or_membership_privileges(database):
    flags = "rolsuper OR rolbypassrls OR rolreplication OR rolcreaterole OR rolcreatedb"
    names = ", ".join(f"'{role.value}'" for role in DatabaseRole)
    assert await rows_of(database, f"SELECT rolname FROM pg_roles WHERE rolname IN ({names}) AND ({flags})") == []
    held = f"SELECT 1 FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname IN ({names})"
    assert await rows_of(database, held) == []


@pytest.mark.parametrize("role", [DatabaseRole.SERVICE, None])
@pytest.mark.parametrize(
    "held",
    [
        "SELECT pg_advisory_xact_lock(5403618)",
        "SELECT pg_advisory_xact_lock_shared(5403618)",
        "LOCK TABLE journal, journal_head IN ACCESS SHARE MODE",
        "LOCK TABLE journal_intake IN ROW EXCLUSIVE MODE",
    ],
)
async def test_lock_of_service_role_does_not_block_the_sealer(database, clock, role, held):
    await record_journal_lines(database, clock, 2)
    engine = make_engine(database.url, role, pool_size=1)
    async with engine.begin() as connection:
        await connection.execute(text(held))
        assert await seal_intake(database.sealer, load_keyring(), clock) == 2
    await engine.dispose()


LOCKS = [f"LOCK TABLE sealing_turn IN {mode} MODE" for mode in ("ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE")]
LOCKS += ["SELECT 1 FROM sealing_turn FOR SHARE", "SELECT 1 FROM journal_head FOR UPDATE"]
LOCKS += [f"LOCK TABLE {table} IN EXCLUSIVE MODE" for table in ("sealing_turn", "journal", "journal_head")]
LOCKS += ["LOCK TABLE journal_intake IN SHARE MODE", "SELECT 1 FROM journal_intake FOR SHARE"]


@pytest.mark.parametrize("lock", LOCKS)
async def test_sealer_lock_as_service_role_is_rejected(database, lock):
    with pytest.raises(DBAPIError, match="permission denied"):
        await execute_as(database, DatabaseRole.SERVICE, lock)


async def test_concurrent_sealers_wait_for_the_lock(database, clock):
    await record_journal_lines(database, clock, 1)
    clock.advance(timedelta(seconds=1))
    async with database.sealer.begin() as holding:
        await holding.execute(text("LOCK TABLE sealing_turn IN EXCLUSIVE MODE"))
        with pytest.raises(DBAPIError, match="lock timeout"):
            async with database.sealer.begin() as second:
                await second.execute(text("SET LOCAL lock_timeout = 50"))
                await second.execute(text("LOCK TABLE sealing_turn IN EXCLUSIVE MODE"))
