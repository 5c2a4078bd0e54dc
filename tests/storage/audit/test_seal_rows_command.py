"""`machtiging keys seal-rows`: existing rows are sealed and stated in the journal, once."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from machtiging import journalled_tables
from machtiging.audit.queries import load_lines_for_person
from machtiging.audit.row_states.journalled_table import JournalledTable
from machtiging.audit.seal import seal_intake
from machtiging.audit.state_facts import UNREADABLE, rebuild_state
from machtiging.audit.verification import verify_journal
from machtiging.cli.key_rotation import row_statement
from machtiging.identity.people import find_or_create_by_bsn, load_data_key
from machtiging.kernel.bsn import Bsn
from machtiging.oauth.tables import SEALED_GRANT
from machtiging.storage.migration_runner import migrate_schema
from machtiging.storage.row_mac import SealedTable, verify_row
from tests.builders.database import bypass_triggers
from tests.builders.keys import NOON, load_keyring
from tests.builders.rows import INITIAL_ACCESS_TOKENS, JOURNAL_INTAKE
from tests.storage.audit.journalled_rows import JOURNALLED, TABLE, make_row, put_row, read_row, write_row
from tests.storage.audit.test_row_check import find_problems, make_check

HASHES = [bytes(31) + bytes([number]) for number in range(1, 8)]
LATE = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
def journalled(monkeypatch):
    """One journalled table."""
    monkeypatch.setattr(journalled_tables, "JOURNALLED_TABLES", (JOURNALLED,))


@pytest.fixture
async def database_with_old_rows(database, journalled):
    """Seven rows without a MAC, as from before the upgrade."""
    for token_hash in HASHES:
        await put_row(database, make_row(token_hash=token_hash, note=f"row {token_hash[-1]}", mac=b""))
    return database


async def read_marks(database):
    lines = await JOURNAL_INTAKE.read(database, act="rij:verzegeld", object_kind="tabel")
    return [(line.reason, line.object_id) for line in lines]


async def read_statements(database):
    return await JOURNAL_INTAKE.read(database, act="rij:verzegeld", object_kind=TABLE.name)


async def assert_rows_verify(database):
    async with database.sessions() as session:
        for row in await INITIAL_ACCESS_TOKENS.read(session):
            assert verify_row(session, JOURNALLED.sealed, row)


async def test_every_row_is_sealed_and_stated_with_begin_and_end(database_with_old_rows, run_command, clock):
    database = database_with_old_rows
    ended = await run_command("keys", "seal-rows", "--batch", "3")
    assert (ended.code, "initial_access_token: 7 rows sealed" in ended.operator_output) == (0, True)
    await assert_rows_verify(database)
    assert await read_marks(database) == [("begonnen", TABLE.name), ("afgerond", TABLE.name)]
    lines = await read_statements(database)
    assert [line.reason for line in lines] == ["toestand_bij_invoering"] * 7
    assert {state.row["note"] for state in rebuild_state(lines, LATE).values()} == {f"row {n}" for n in range(1, 8)}
    assert rebuild_state(lines, NOON) == {}
    marks = await JOURNAL_INTAKE.read(database, object_kind="tabel")
    assert all(mark.capacity == "beheerder" and mark.facts["beheerder"] for mark in marks)
    assert await find_problems(make_check(database, clock)) == {}
    await seal_intake(database.sealer, load_keyring(), clock)
    assert (await verify_journal(database.service, load_keyring())).ok


async def test_second_run_is_refused_and_seals_no_new_row(database_with_old_rows, run_command):
    database = database_with_old_rows
    assert (await run_command("keys", "seal-rows")).code == 0
    forged = make_row(token_hash=HASHES[0], note="forged", mac=b"")
    await put_row(database, forged)
    ended = await run_command("keys", "seal-rows")
    assert (ended.code, "rijen_al_verzegeld" in ended.operator_output) == (1, True)
    assert (await read_row(database, HASHES[0]))["mac"] == b""


async def test_interrupted_run_goes_on_and_states_no_row_twice(database_with_old_rows, run_command, monkeypatch):
    database, state_next_rows = database_with_old_rows, row_statement.state_next_rows
    batches = []

    async def fail_in_the_third_batch(*arguments, **options):
        batches.append(1)
        if len(batches) == 3:
            await state_next_rows(*arguments, **options)
            raise ConnectionError("killed")
        return await state_next_rows(*arguments, **options)

    monkeypatch.setattr(row_statement, "state_next_rows", fail_in_the_third_batch)
    assert (await run_command("keys", "seal-rows", "--batch", "2")).code != 0
    assert len(await read_statements(database)) == 4
    monkeypatch.setattr(row_statement, "state_next_rows", state_next_rows)
    ended = await run_command("keys", "seal-rows", "--batch", "2")
    assert (ended.code, "initial_access_token: 3 rows sealed" in ended.operator_output) == (0, True)
    assert [reason for reason, _ in await read_marks(database)] == ["begonnen", "hervat", "afgerond"]
    stated = [line.facts["toestand"][0]["sleutel"] for line in await read_statements(database)]
    assert len(set(stated)) == len(stated) == 7
    await assert_rows_verify(database)


async def test_row_written_by_an_act_meanwhile_is_not_stated_again(database_with_old_rows, run_command, clock):
    database = database_with_old_rows
    async with database.sessions.begin() as session:
        await write_row(session, clock.now(), token_hash=bytes(32), note="new")
    assert "7 rows sealed" in (await run_command("keys", "seal-rows")).operator_output
    assert len(await read_statements(database)) == 7


async def test_forged_row_is_named_and_not_sealed(database_with_old_rows, run_command):
    database = database_with_old_rows
    forged = make_row(token_hash=HASHES[0], note="forged", mac=b"x" * 36)
    await put_row(database, forged)
    ended = await run_command("keys", "seal-rows")
    assert (ended.code, "1 rows are not what their MAC or the journal says" in ended.operator_output) == (1, True)
    assert "initial_access_token: 6 rows sealed" in ended.operator_output
    assert (await read_row(database, HASHES[0]))["mac"] == b"x" * 36


async def test_doctor_tells_to_seal_rows_and_then_names_a_row_put_back(database_with_old_rows, run_command, clock):
    database = database_with_old_rows
    assert "have not all been sealed" in (await run_command("doctor")).out
    await run_command("keys", "seal-rows")
    assert "7, all as the journal says" in (await run_command("doctor")).out
    older = await read_row(database, HASHES[0])
    async with database.sessions.begin() as session:
        await write_row(session, clock.now(), token_hash=HASHES[0], note="changed")
    await put_row(database, older)
    ended = await run_command("doctor")
    assert f"{TABLE.name}:{HASHES[0].hex()} (rij_teruggezet)" in ended.out
    assert ended.code == 1


async def test_rewrap_gives_rows_a_new_mac_and_line_that_agree(database_with_old_rows, run_command):
    database = database_with_old_rows
    await run_command("keys", "seal-rows")
    assert (await run_command("keys", "rotate", "row-mac")).code == 0
    ended = await run_command("keys", "rewrap")
    assert (ended.code, "7 rows sealed by row-mac-2" in ended.operator_output) == (0, True)
    assert "7, all as the journal says" in (await run_command("doctor")).out
    states = rebuild_state(await JOURNAL_INTAKE.read(database), LATE)
    rows = {row.token_hash: row.mac for row in await INITIAL_ACCESS_TOKENS.read(database)}
    assert {state.row["token_hash"]: state.mac for state in states.values()} == rows


async def test_rewrap_leaves_a_row_put_back_as_it_is(database_with_old_rows, run_command, clock):
    """A new MAC in a new line would hide an older row."""
    database = database_with_old_rows
    await run_command("keys", "seal-rows")
    older = await read_row(database, HASHES[0])
    async with database.sessions.begin() as session:
        await write_row(session, clock.now(), token_hash=HASHES[0], note="changed")
    await put_row(database, older)
    await run_command("keys", "rotate", "row-mac")
    ended = await run_command("keys", "rewrap")
    assert (ended.code, "1 rows do not verify" in ended.operator_output) == (1, True)
    assert (await read_row(database, HASHES[0]))["mac"] == older["mac"]
    assert f"{TABLE.name}:{HASHES[0].hex()} (rij_teruggezet)" in (await run_command("doctor")).out


async def test_rewrap_before_the_statement_leaves_rows_to_be_stated(database_with_old_rows, run_command, monkeypatch):
    """The content of rows with a MAC and without a line comes into the journal."""
    database = database_with_old_rows
    monkeypatch.setattr(journalled_tables, "JOURNALLED_TABLES", ())
    async with database.sessions.begin() as session:
        await session.execute(text("DELETE FROM initial_access_token WHERE mac = ''"))
        await write_row(session, NOON, token_hash=HASHES[0])
    async with bypass_triggers(database) as superuser:
        await superuser.execute(text("DELETE FROM journal_intake"))
    monkeypatch.setattr(journalled_tables, "JOURNALLED_TABLES", (JOURNALLED,))
    await run_command("keys", "rotate", "row-mac")
    await run_command("keys", "rewrap")
    assert "1 rows sealed or stated" in (await run_command("keys", "seal-rows")).operator_output
    (state,) = rebuild_state(await JOURNAL_INTAKE.read(database), LATE).values()
    assert state.row["token_hash"] == HASHES[0]


async def test_migrate_marks_empty_tables_so_that_a_row_without_line_is_found(database, journalled, run_command, clock):
    for _ in range(2):
        assert (await run_command("migrate")).code == 0
    assert await read_marks(database) == [("afgerond", TABLE.name)]
    assert (await run_command("keys", "seal-rows")).code == 1
    await put_row(database, make_row(mac=b""))
    assert len(await find_problems(make_check(database, clock))) == 1


async def test_migrate_does_not_mark_a_table_with_rows(database_with_old_rows, run_command):
    assert (await run_command("migrate")).code == 0
    assert await read_marks(database_with_old_rows) == []


async def test_downgrade_marks_nothing(database, journalled):
    await migrate_schema(database.url, "0024")
    assert await read_marks(database) == []


@pytest.mark.parametrize("destroyed", [False, True])
async def test_personal_words_of_a_statement_are_encrypted_for_their_person(
    database, run_command, monkeypatch, destroyed
):
    """Words of a person without a data key are stated, and nobody can read them."""
    grants = SealedTable(SEALED_GRANT.table, 1, SEALED_GRANT.covered, SEALED_GRANT.exempt, personal=("scope",))
    table = JournalledTable(grants, person_column="person_id", data_key_column="person_id")
    monkeypatch.setattr(journalled_tables, "JOURNALLED_TABLES", (table,))
    async with database.sessions.begin() as session:
        person_id = await find_or_create_by_bsn(session, load_keyring(), Bsn("999993653"), at=NOON)
    insertion = (
        "INSERT INTO oauth_grant (id, client_id, person_id, authorization_details, scope, assurance, authenticated_at, "
        "created_at) VALUES (gen_random_uuid(), 'app', :person, '{}', 'voor mijn zus', 'laag', now(), now())"
    )
    async with bypass_triggers(database) as superuser:
        await superuser.execute(text(insertion), {"person": person_id})
        if destroyed:
            await superuser.execute(text("ALTER TABLE party DROP CONSTRAINT party_person_has_data_key"))
            await superuser.execute(text("UPDATE party SET data_key_wrapped = NULL, kek_version = NULL"))
    assert (await run_command("keys", "seal-rows")).code == 0
    async with database.sessions() as session:
        (line,) = await load_lines_for_person(session, person_id)
        data_keys = {} if destroyed else {person_id: await load_data_key(session, load_keyring(), person_id)}
    assert "zus" not in str(line)
    assert re.fullmatch("[0-9a-f-]{36}", line.object_id)
    (state,) = rebuild_state([line], LATE, data_keys).values()
    assert state.row["scope"] == (UNREADABLE if destroyed else "voor mijn zus")
