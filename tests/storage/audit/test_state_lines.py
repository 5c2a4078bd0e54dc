"""State facts in the journal: sealed, read back, and rebuilt to the tables."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from machtiging.audit.journal import build_journal_line_params, record
from machtiging.audit.queries import JournalEntry, load_lines_for_person
from machtiging.audit.seal import seal_intake
from machtiging.audit.state_facts import PersonalWords, rebuild_state, state_facts, state_seal_verifies
from machtiging.audit.verification import verify_journal
from machtiging.crypto.envelope_encryption import DataKey
from machtiging.kernel.errors import Fault
from machtiging.oauth.tables import SEALED_INITIAL_ACCESS_TOKEN
from machtiging.storage.row_mac import seal_row, verify_row
from tests.builders.keys import load_keyring
from tests.builders.rows import INITIAL_ACCESS_TOKENS, JOURNAL
from tests.storage.audit.journal_lines import SOMEBODY, make_journal_line
from tests.storage.audit.journalled_rows import ONE, OTHER, TABLE, write_row

FAR = timedelta(days=9)


async def load_entries(session) -> list[JournalEntry]:
    """All sealed lines in the order of the chain."""
    lines = await load_lines_for_person(session, SOMEBODY, limit=1000)
    return sorted((line for line in lines if line.seq is not None), key=lambda line: line.seq)


notes = st.text("xyé", min_size=1, max_size=3)
actions = st.lists(st.tuples(st.sampled_from([ONE, OTHER]), notes, st.booleans(), st.integers(0, 9)), max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
@given(history=actions, asked=st.integers(-1, 60))
async def test_tables_are_rebuilt_from_the_journal_at_any_instant(database, clock, history, asked):
    """The rows as PostgreSQL had them after each act, against what the journal alone says."""
    first = clock.now()
    at, instant, expected = first, first + timedelta(seconds=asked), {}
    for key, note, withdrawn, later in history:
        at += timedelta(seconds=later)
        async with database.sessions.begin() as session:
            await write_row(session, at, token_hash=key, note=note, withdrawn_at=at if withdrawn else None)
        if at <= instant:
            async with database.sessions() as session:
                rows = [dict(row._mapping) for row in await INITIAL_ACCESS_TOKENS.read(session)]
            expected |= {row["token_hash"]: row for row in rows if row["token_hash"] == key}
    await seal_intake(database.sealer, load_keyring(), clock)
    async with database.sessions() as session:
        lines = [line for line in await load_entries(session) if line.occurred_at >= first]
        rebuilt = {state.row["token_hash"]: state for state in rebuild_state(lines, instant).values()}
        assert set(rebuilt) == set(expected)
        for key, row in expected.items():
            content = {name: value for name, value in row.items() if name not in ("mac", "uses_left", "refused")}
            assert (dict(rebuilt[key].row), rebuilt[key].mac) == (content, row["mac"])
            assert verify_row(session, SEALED_INITIAL_ACCESS_TOKEN, {**rebuilt[key].row, "mac": rebuilt[key].mac})
    clock.advance(timedelta(minutes=2))


async def test_concurrent_changes_of_one_row_are_sealed_in_the_order_of_the_lock(database, clock):
    """The second writer read its clock first, and waited for the row."""
    async with database.sessions.begin() as session:
        await write_row(session, clock.now() - FAR)

    async def change(at, note, before):
        async with database.sessions.begin() as session:
            await before
            await write_row(session, at, note=note)
            await asyncio.sleep(0.1)

    async def wait(seconds):
        await asyncio.sleep(seconds)

    now = clock.now()
    await asyncio.gather(change(now, "first", wait(0)), change(now - timedelta(seconds=1), "second", wait(0.05)))
    await seal_intake(database.sealer, load_keyring(), clock)
    async with database.sessions() as session:
        (state,) = rebuild_state(await load_entries(session), now).values()
        row = await INITIAL_ACCESS_TOKENS.read_one(session)
    assert state.row["note"] == row.note == "second"
    assert state.mac == row.mac


async def test_state_line_has_a_seal_that_verifies_after_sealing(database, clock):
    async with database.sessions.begin() as session:
        await write_row(session, clock.now())
    await seal_intake(database.sealer, load_keyring(), clock)
    async with database.sessions() as session:
        (line,) = await load_entries(session)
    assert state_seal_verifies(load_keyring(), line)
    assert (await verify_journal(database.service, load_keyring())).ok


async def test_state_facts_in_one_statement_without_row_keys_are_a_fault(session, clock):
    row = seal_row(session, SEALED_INITIAL_ACCESS_TOKEN, {"token_hash": ONE, "note": "n"})
    line = make_journal_line(facts=state_facts([(SEALED_INITIAL_ACCESS_TOKEN, row)]))
    with pytest.raises(Fault, match="toestand_zonder_zegel"):
        build_journal_line_params(line, uuid4(), clock.now())
    params = build_journal_line_params(line, uuid4(), clock.now(), load_keyring())
    assert params["line_facts"]["zegel"]


async def test_chain_verifies_after_the_data_key_of_personal_words_is_destroyed(database, clock):
    """The words are ciphertext in the line, so the hash needs no key. Without the key nobody reads them."""
    data_key = DataKey(b"k" * 32)
    personal = PersonalWords(SOMEBODY, data_key, {TABLE.name: frozenset({"note"})})
    async with database.sessions.begin() as session:
        row = seal_row(session, SEALED_INITIAL_ACCESS_TOKEN, {"token_hash": ONE, "note": "voor mijn zus"})
        facts = state_facts([(SEALED_INITIAL_ACCESS_TOKEN, row)], personal)
        await record(session, make_journal_line(facts=facts), at=clock.now())
    await seal_intake(database.sealer, load_keyring(), clock)
    del data_key, personal
    assert (await verify_journal(database.service, load_keyring())).ok
    assert "zus" not in await JOURNAL.dump(database)
    async with database.sessions() as session:
        (state,) = rebuild_state(await load_entries(session), clock.now()).values()
    assert "zus" not in str(state)


async def test_service_cannot_choose_the_place_of_a_line(database):
    """The database numbers the intake, so no line can be put before another."""
    insertion = (
        "INSERT INTO journal_intake (id, occurred_at, act, outcome, reason, request_id, facts, intake_number) "
        "VALUES (gen_random_uuid(), now(), 'a', 'done', 'b', 'c', '{}', 1)"
    )
    async with database.service.connect() as connection:
        with pytest.raises(Exception, match="cannot insert a non-DEFAULT value"):
            await connection.execute(text(insertion))
