"""The row check: older rows put back, rows without a line, forged lines."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql

from machtiging.audit.row_states.journalled_table import JournalledTable, _join_newest_lines, load_journalled_rows
from machtiging.audit.row_states.row_check import RowCheck
from machtiging.audit.row_states.statement_lines import mark_finished
from machtiging.audit.seal import seal_intake
from machtiging.crypto.key_manifest import KeyKind
from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.rotation import rotate_key
from machtiging.kernel.errors import Fault
from machtiging.organisations.tables import SEALED_RECOGNITION
from machtiging.storage.row_mac import seal_row
from tests.builders.database import bypass_triggers
from tests.builders.keys import NOON, load_keyring, make_key_directory
from tests.builders.rows import JOURNAL, JOURNAL_INTAKE
from tests.storage.audit.journalled_rows import (
    JOURNALLED,
    ONE,
    OTHER,
    TABLE,
    THIRD,
    make_row,
    put_row,
    read_row,
    write_row,
    write_rows,
)

KEY = f"{TABLE.name}:{ONE.hex()}"


def make_check(database, clock, *, batch_size=500, tables=(JOURNALLED,)):
    return RowCheck(database.sessions, load_keyring(), clock, tables, batch_size)


async def find_problems(check, batches=1):
    """Run the check; the findings, and the failure of the task if there are any."""
    failure = None
    for _ in range(batches):
        try:
            await check.check_next_batch()
            failure = None
        except Fault as fault:
            failure = fault
    assert (failure is None) == (not check.findings)
    assert failure is None or failure.code == "rijen_wijken_af"
    return check.findings


async def read_refusals(database):
    lines = [*await JOURNAL.read(database, act="rij:geweigerd"), *await JOURNAL_INTAKE.read(database)]
    return [(line.object_kind, line.object_id, line.reason) for line in lines if line.act == "rij:geweigerd"]


@pytest.fixture(params=["waiting", "sealed"])
async def seal(request, database, clock):
    """Seal the journal, or leave the lines in the intake: the check reads both."""

    async def seal_if_wanted():
        if request.param == "sealed":
            await seal_intake(database.sealer, load_keyring(), clock)

    return seal_if_wanted


async def test_rows_as_their_newest_line_says_are_no_finding(database, clock, seal):
    await write_rows(database, clock, ONE, OTHER)
    await seal()
    async with database.sessions.begin() as session:
        await write_row(session, clock.now(), note="changed")
    await seal()
    assert await find_problems(make_check(database, clock)) == {}
    assert await read_refusals(database) == []


async def test_row_put_back_to_older_content_is_reported_journalled_and_fails_the_task(database, clock, seal):
    await write_rows(database, clock, ONE, OTHER)
    older = await read_row(database)
    await seal()
    async with database.sessions.begin() as session:
        await write_row(session, clock.now(), note="changed")
    await seal()
    await put_row(database, older)
    assert await find_problems(make_check(database, clock)) == {KEY: "rij_teruggezet"}
    assert await read_refusals(database) == [(TABLE.name, ONE.hex()[:16], "rij_teruggezet")]


async def test_row_of_which_only_the_end_is_put_back_is_no_finding_of_the_mac(database, clock):
    """The MAC does not cover a column that only ends the row (docs/threat-model.md)."""
    await write_rows(database, clock, ONE)
    await put_row(database, await read_row(database) | {"withdrawn_at": NOON})
    assert await find_problems(make_check(database, clock)) == {}


async def test_row_with_valid_mac_without_line_is_reported(database, clock, seal):
    await write_rows(database, clock, OTHER)
    await seal()
    async with database.sessions() as session:
        row = seal_row(session, JOURNALLED.sealed, make_row())
    await put_row(database, row)
    assert await find_problems(make_check(database, clock)) == {KEY: "rij_niet_in_journaal"}


async def test_row_without_mac_is_reported(database, clock):
    await write_rows(database, clock, OTHER)
    await put_row(database, make_row(mac=b""))
    assert await find_problems(make_check(database, clock)) == {KEY: "rij_niet_verzegeld"}


async def test_changed_row_is_reported(database, clock):
    await write_rows(database, clock, ONE)
    await put_row(database, await read_row(database) | {"note": "forged"})
    assert await find_problems(make_check(database, clock)) == {KEY: "rij_ongeldig"}


async def test_row_with_mac_and_line_of_another_row_is_reported(database, clock):
    await write_rows(database, clock, ONE, OTHER)
    await put_row(database, await read_row(database, OTHER) | {"token_hash": ONE})
    assert await find_problems(make_check(database, clock)) == {KEY: "rij_ongeldig"}


@pytest.mark.parametrize("seal_of", ["none", "older line"])
async def test_older_row_with_a_line_added_by_sql_is_reported(database, clock, seal, seal_of):
    """The attacker also inserts a journal line that names the older MAC. It has no seal, or that of the older line."""
    await write_rows(database, clock, ONE)
    older = await read_row(database)
    facts = (await JOURNAL_INTAKE.read(database, object_id=None))[0].facts
    await seal()
    async with database.sessions.begin() as session:
        await write_row(session, clock.now(), note="changed")
    await seal()
    await put_row(database, older)
    if seal_of == "none":
        del facts["zegel"]
    insertion = text(
        "INSERT INTO journal_intake (id, occurred_at, act, outcome, reason, request_id, facts) "
        "VALUES (:id, :at, 'bericht:lezen', 'allowed', 'regel_1', 'r', CAST(:facts AS jsonb))"
    )
    async with database.service.begin() as connection:
        await connection.execute(insertion, {"id": uuid4(), "at": clock.now(), "facts": json.dumps(facts)})
    await seal()
    assert await find_problems(make_check(database, clock)) == {KEY: "journaalregel_ongeldig"}


@pytest.mark.parametrize(
    "facts", ['{"toestand": [{"sleutel": "KEY"}]}', '{"toestand": {"sleutel": "KEY"}, "zegel": 1}']
)
async def test_malformed_line_that_names_a_row_is_reported_and_stops_no_check(database, clock, facts):
    await write_rows(database, clock, ONE, OTHER)
    insertion = text(
        "INSERT INTO journal_intake (id, occurred_at, act, outcome, reason, request_id, facts) "
        "VALUES (gen_random_uuid(), 'infinity', 'x', 'done', 'y', '', CAST(:facts AS jsonb))"
    )
    async with database.service.begin() as connection:
        await connection.execute(insertion, {"facts": facts.replace("KEY", KEY)})
    assert await find_problems(make_check(database, clock)) == {KEY: "journaalregel_ongeldig"}


async def test_finding_is_journalled_once_also_by_another_worker(database, clock):
    await write_rows(database, clock, ONE)
    await put_row(database, await read_row(database) | {"note": "forged"})
    check = make_check(database, clock)
    for each in (check, check, make_check(database, clock)):
        await find_problems(each)
    await seal_intake(database.sealer, load_keyring(), clock)
    await find_problems(make_check(database, clock))
    assert len(await read_refusals(database)) == 1
    await put_row(database, await read_row(database) | {"mac": b"other"})
    await find_problems(make_check(database, clock))
    assert len(await read_refusals(database)) == 2


async def test_finding_ends_when_the_row_is_right_again(database, clock):
    await write_rows(database, clock, ONE)
    row, check = await read_row(database), make_check(database, clock)
    await put_row(database, row | {"note": "forged"})
    assert await find_problems(check)
    await put_row(database, row)
    assert await find_problems(check) == {}


async def test_check_goes_on_where_it_was_and_covers_every_row_of_every_table(database, clock):
    hashes = [bytes(31) + bytes([number]) for number in range(1, 8)]
    await write_rows(database, clock, *hashes)
    for token_hash in hashes:
        await put_row(database, await read_row(database, token_hash) | {"note": "forged"})
    check = make_check(database, clock, batch_size=3, tables=(JOURNALLED, JournalledTable(SEALED_RECOGNITION)))
    sizes = [len(await find_problems(check)) for _ in range(4)]
    assert sizes == [3, 6, 7, 7]
    await put_row(database, make_row(token_hash=THIRD, note="x"))
    await find_problems(check)
    assert check.findings[f"{TABLE.name}:{THIRD.hex()}"] == "rij_niet_verzegeld"


async def test_unstated_table_has_no_finding_for_rows_from_before(database, clock):
    """Until `keys seal-rows` has finished, rows without MAC or line are expected. Forged ones are not."""
    async with database.sessions() as session:
        sealed = seal_row(session, JOURNALLED.sealed, make_row(token_hash=OTHER))
    await put_row(database, make_row(mac=b""))
    await put_row(database, sealed)
    await put_row(database, sealed | {"token_hash": THIRD})
    check = make_check(database, clock)
    assert await find_problems(check) == {f"{TABLE.name}:{THIRD.hex()}": "rij_ongeldig"}
    async with database.sessions.begin() as session:
        await mark_finished(session, JOURNALLED, at=clock.now(), operator=None)
    assert len(await find_problems(check)) == 3


async def test_check_without_tables_or_rows_finds_nothing(database, clock):
    assert await find_problems(make_check(database, clock, tables=())) == {}
    assert await find_problems(make_check(database, clock), batches=2) == {}


async def test_check_while_another_worker_checks_does_nothing(database, clock):
    await write_rows(database, clock, ONE)
    await put_row(database, make_row(mac=b""))
    async with database.sessions() as session:
        await session.execute(text("SELECT pg_advisory_xact_lock(5403621)"))
        assert await find_problems(make_check(database, clock)) == {}
    assert len(await find_problems(make_check(database, clock))) == 1


async def test_row_under_an_older_key_is_no_finding(database, clock, tmp_path):
    await write_rows(database, clock, ONE)
    keys = make_key_directory(tmp_path / "keys")
    rotate_key(keys, KeyKind.ROW_MAC, NOON)
    ring = KeyRing.load(keys)
    check = RowCheck(database.sessions, ring, clock, (JOURNALLED,))
    assert await find_problems(check) == {}


async def test_newest_line_of_each_row_is_found_in_one_statement(database, clock):
    await write_rows(database, clock, ONE, OTHER)
    await seal_intake(database.sealer, load_keyring(), clock)
    async with database.sessions.begin() as session:
        await write_row(session, clock.now(), note="changed")
    async with database.sessions() as session:
        rows = await load_journalled_rows(session, JOURNALLED.sealed, limit=10)
        chosen = await load_journalled_rows(session, JOURNALLED.sealed, limit=10, among=[(OTHER,)])
        after = await load_journalled_rows(session, JOURNALLED.sealed, limit=10, after=[ONE])
    assert [row.row["token_hash"] for row in rows] == [ONE, OTHER]
    assert [row.row["token_hash"] for row in chosen] == [row.row["token_hash"] for row in after] == [OTHER]
    assert all(isinstance(row.line.id, UUID) for row in rows)
    assert [row.find_problem(load_keyring()) for row in rows] == [None, None]


async def test_newest_line_is_found_by_the_index_in_a_long_journal(database, clock):
    """Among ten thousand lines about other rows, the journal is not read as a whole."""
    await write_rows(database, clock, ONE, OTHER)
    await seal_intake(database.sealer, load_keyring(), clock)
    grown = (
        "INSERT INTO journal (id, occurred_at, act, outcome, reason, request_id, facts, seq, previous_hash, hash) "
        "SELECT gen_random_uuid(), now(), 'a', 'done', 'b', '', jsonb_build_object('toestand', jsonb_build_array("
        "jsonb_build_object('sleutel', 'machtiging:' || n))), n + 10, sha256(''), sha256('') "
        "FROM generate_series(1, 10000) n"
    )
    async with bypass_triggers(database) as superuser:
        await superuser.execute(text(grown))
        await superuser.execute(text("ANALYZE journal"))
    page = _join_newest_lines(JOURNALLED.sealed, select(TABLE).limit(500))
    statement = str(page.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))
    explain = "EXPLAIN " + statement.replace(":", "\\:").replace("%%", "%")
    async with database.service.connect() as connection:
        plan = "\n".join(await connection.scalars(text(explain)))
    assert "ix_journal_state" in plan
    assert "Seq Scan on journal " not in plan
    assert await find_problems(make_check(database, clock)) == {}
