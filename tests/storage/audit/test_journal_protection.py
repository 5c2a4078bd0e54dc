"""Protection of the journal in the database: each removed, added or changed part is reported."""

from __future__ import annotations

import asyncpg
import pytest

from machtiging.audit.protection.baseline import BASELINE
from machtiging.audit.protection.deviations import find_deviations, load_protection
from machtiging.audit.verification import verify_journal
from machtiging.storage.engine import DatabaseRole, make_engine
from machtiging.storage.migration_runner import migrate_schema
from tests.builders.command_line import make_command_line
from tests.builders.keys import load_keyring
from tests.storage.foundation.test_migrations import migrated_url

__all__ = ["migrated_url"]
ROW = "gen_random_uuid(), now(), 'a', 'done', 'b', 'c', '{}'"
SABOTAGE = {
    "ALTER TABLE journal DISABLE TRIGGER append_only": "trigger append_only on journal:",
    "ALTER TABLE journal DISABLE TRIGGER ALL": "trigger no_truncate on journal:",
    "ALTER TABLE journal_intake DISABLE TRIGGER moves_only": "trigger moves_only on journal_intake:",
    "ALTER TABLE journal_head ENABLE REPLICA TRIGGER append_only": "trigger append_only on journal_head:",
    "DROP TRIGGER no_truncate ON journal_intake": "trigger no_truncate on journal_intake: is missing",
    "CREATE TRIGGER drop_lines BEFORE INSERT ON journal_intake FOR EACH ROW "
    "EXECUTE FUNCTION suppress_redundant_updates_trigger()": "trigger drop_lines on journal_intake:",
    "CREATE OR REPLACE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql "
    "SET search_path = pg_catalog, public, pg_temp AS $$ BEGIN RETURN OLD; END $$": "function journal_is_append_only()",
    "ALTER FUNCTION journal_line_moves_only() RESET search_path": "function journal_line_moves_only():",
    "ALTER FUNCTION journal_line_moves_only() SECURITY DEFINER": "function journal_line_moves_only():",
    "ALTER FUNCTION journal_is_append_only() OWNER TO machtiging_service": "function journal_is_append_only():",
    "ALTER TABLE journal ENABLE ROW LEVEL SECURITY": "row-level security on journal:",
    "ALTER TABLE journal_intake FORCE ROW LEVEL SECURITY": "row-level security on journal_intake:",
    "CREATE POLICY hide ON journal USING (false)": "policy hide on journal:",
    "CREATE RULE hide AS ON INSERT TO journal_intake DO INSTEAD NOTHING": "rule hide on journal_intake:",
    "CREATE RULE hide AS ON DELETE TO journal DO INSTEAD NOTHING": "rule hide on journal:",
    "GRANT UPDATE ON journal TO machtiging_service": "right of machtiging_service on journal: UPDATE:",
    "GRANT DELETE ON journal_intake TO PUBLIC": "right of PUBLIC on journal_intake: DELETE:",
    "GRANT UPDATE (reason) ON journal TO machtiging_sealer": "right of machtiging_sealer on column journal.reason",
    "GRANT SELECT (facts) ON journal_intake TO PUBLIC": "right of PUBLIC on column journal_intake.facts: SELECT",
    "GRANT SELECT ON journal TO machtiging_service WITH GRANT OPTION": "right of machtiging_service on journal: SELECT",
    "GRANT UPDATE ON sealing_turn TO machtiging_service": "right of machtiging_service on sealing_turn: UPDATE:",
    "REVOKE SELECT ON journal FROM machtiging_sealer": "right of machtiging_sealer on journal: SELECT: is missing",
    "GRANT CREATE ON SCHEMA public TO machtiging_sealer": "right of machtiging_sealer on schema public: CREATE:",
    "GRANT TEMPORARY ON DATABASE {database} TO PUBLIC": "right of PUBLIC on the database: TEMPORARY:",
    "GRANT CREATE ON DATABASE {database} TO machtiging_service": "right of machtiging_service on the database: CREATE:",
    "ALTER TABLE journal OWNER TO machtiging_service": "table journal:",
    "ALTER TABLE journal_head DROP CONSTRAINT journal_head_pkey": "constraint journal_head_pkey on journal_head:",
    "ALTER TABLE journal DROP CONSTRAINT journal_seq_key": "constraint journal_seq_key on journal: is missing",
    "ALTER TABLE journal_intake ADD CONSTRAINT few CHECK (outcome <> 'refused') NOT VALID": "constraint few on ",
    "ALTER TABLE journal ALTER COLUMN seq DROP NOT NULL": "column journal.seq:",
    "ALTER TABLE journal_intake ALTER COLUMN for_person_id SET DEFAULT gen_random_uuid()": "column journal_intake.",
    "ALTER TABLE journal_intake ADD COLUMN hidden boolean": "column journal_intake.hidden:",
    "ALTER TABLE journal RENAME TO j; CREATE VIEW journal AS SELECT * FROM j WHERE seq <> 1": "table journal:",
    "ALTER TABLE journal RENAME TO j": "table journal: is missing",
    "ALTER TABLE journal_intake SET UNLOGGED": "table journal_intake:",
    "CREATE TABLE more (LIKE journal INCLUDING ALL); ALTER TABLE more INHERIT journal": "inheritance of journal:",
    "CREATE TABLE parent (LIKE journal); ALTER TABLE journal INHERIT parent": "inheritance of journal:",
    "CREATE SCHEMA machtiging_sealer; CREATE VIEW machtiging_sealer.journal AS SELECT * FROM public.journal": "another "
    "relation machtiging_sealer.journal:",
    "ALTER DATABASE {database} SET session_replication_role = replica": "setting session_replication_role of everybody",
    "ALTER ROLE machtiging_sealer IN DATABASE {database} SET search_path = elders": "setting search_path of machtiging",
}
OF_ROLES = {
    "ALTER ROLE machtiging_service SUPERUSER": (
        "ALTER ROLE machtiging_service NOSUPERUSER",
        "role machtiging_service:",
    ),
    "ALTER ROLE machtiging_sealer BYPASSRLS": ("ALTER ROLE machtiging_sealer NOBYPASSRLS", "role machtiging_sealer:"),
    "ALTER ROLE machtiging_service CREATEROLE": (
        "ALTER ROLE machtiging_service NOCREATEROLE",
        "role machtiging_service",
    ),
    "GRANT machtiging_owner TO machtiging_service": (
        "REVOKE machtiging_owner FROM machtiging_service",
        "membership of machtiging_service in machtiging_owner:",
    ),
    "GRANT pg_write_all_data TO machtiging_sealer": (
        "REVOKE pg_write_all_data FROM machtiging_sealer",
        "membership of machtiging_sealer in pg_write_all_data:",
    ),
}


async def execute(url, statement):
    connection = await asyncpg.connect(url)
    try:
        name = await connection.fetchval("SELECT quote_ident(current_database())")
        await connection.execute(statement.replace("{database}", name))
    finally:
        await connection.close()


@pytest.fixture
async def migrated_url_with_grants(migrated_url):
    """A fresh database with the rights on the database itself. A copy has no such rights."""
    await migrate_schema(migrated_url)
    return migrated_url


async def named(url):
    engine = make_engine(url, DatabaseRole.OWNER, pool_size=1)
    try:
        async with engine.connect() as connection:
            return [str(one) for one in find_deviations(await load_protection(connection))]
    finally:
        await engine.dispose()


async def test_declared_protection_matches_the_migrations(migrated_url_with_grants):
    engine = make_engine(migrated_url_with_grants, DatabaseRole.SERVICE, pool_size=1)
    async with engine.connect() as connection:
        assert await load_protection(connection) == dict(BASELINE)
    await engine.dispose()


@pytest.mark.parametrize("statement", SABOTAGE)
async def test_journal_tampering_with_ddl_or_grants_is_reported(migrated_url_with_grants, statement):
    await execute(migrated_url_with_grants, statement)
    found = await named(migrated_url_with_grants)
    assert [one for one in found if one.startswith(SABOTAGE[statement])], found


@pytest.mark.parametrize("statement", OF_ROLES)
async def test_role_with_excess_privilege_is_reported(migrated_url_with_grants, statement):
    undo, subject = OF_ROLES[statement]
    await execute(migrated_url_with_grants, statement)
    try:
        assert [one for one in await named(migrated_url_with_grants) if one.startswith(subject)]
    finally:
        await execute(migrated_url_with_grants, undo)
    assert await named(migrated_url_with_grants) == []


async def test_verify_without_journal_table_reports_it(migrated_url_with_grants):
    await execute(migrated_url_with_grants, "DROP TABLE journal CASCADE")
    engine = make_engine(migrated_url_with_grants, DatabaseRole.OWNER, pool_size=1)
    report = await verify_journal(engine, load_keyring())
    await engine.dispose()
    assert [problem.text for problem in report.problems] == ["table journal: is er niet."]


@pytest.mark.parametrize("words", [("audit", "verify"), ("doctor",)])
async def test_audit_verify_and_doctor_report_disabled_trigger(
    migrated_url_with_grants, tmp_path, capsys, monkeypatch, words
):
    run = make_command_line(migrated_url_with_grants, tmp_path, capsys, monkeypatch)
    assert "append_only" not in (await run(*words)).out
    await execute(migrated_url_with_grants, "ALTER TABLE journal DISABLE TRIGGER append_only")
    ended = await run(*words)
    assert (ended.code, "trigger append_only on journal" in ended.out) == (1, True)
