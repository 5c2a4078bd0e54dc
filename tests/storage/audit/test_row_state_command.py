"""`machtiging audit state`: a row at a past instant, from the journal alone."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import text

from machtiging.audit.seal import seal_intake
from tests.builders.keys import load_keyring
from tests.storage.audit.journalled_rows import ONE, TABLE, put_row, read_row, write_row

KEY = f"{TABLE.name}:{ONE.hex()}"


@pytest.fixture(params=["waiting", "sealed"])
async def database_with_history(request, database, clock):
    """A row that was written at noon, and changed an hour later."""
    for note in ("first", "second"):
        async with database.sessions.begin() as session:
            await write_row(session, clock.now(), note=note)
        clock.advance(timedelta(hours=1))
        if request.param == "sealed":
            await seal_intake(database.sealer, load_keyring(), clock)
    return database


@pytest.mark.parametrize(
    ("at", "note"),
    [
        ("2026-11-23T12:00:00", "first"),
        ("2026-11-23T12:59:59.999999", "first"),
        ("2026-11-23T14:00:00+01:00", "second"),
        ("2030-01-01", "second"),
    ],
)
async def test_state_of_row_at_an_instant_is_shown(database_with_history, run_command, at, note):
    ended = await run_command("audit", "state", KEY, "--at", at)
    shown = json.loads(ended.out)
    assert (ended.code, shown["rij"]["note"], shown["sleutel"]) == (0, note, KEY)


@pytest.mark.parametrize("at", ["2026-11-23T11:59:59.999999", "2000-01-01"])
async def test_state_before_the_first_line_is_not_known(database_with_history, run_command, at):
    ended = await run_command("audit", "state", KEY, "--at", at)
    assert (ended.code, ended.out, "Not known" in ended.operator_output) == (1, "", True)


@pytest.mark.parametrize("key", ["", "x", f"{TABLE.name}:", "initial_access_token:00' OR '1'='1", "\\", "a" * 10_000])
async def test_state_of_unknown_row_is_not_known(database_with_history, run_command, key):
    ended = await run_command("audit", "state", key, "--at", "2030-01-01")
    assert (ended.code, ended.out) == (1, "")


async def test_state_shown_is_of_the_journal_and_not_of_the_table(database_with_history, run_command):
    await put_row(database_with_history, await read_row(database_with_history) | {"note": "forged"})
    shown = json.loads((await run_command("audit", "state", KEY, "--at", "2030-01-01")).out)
    assert shown["rij"]["note"] == "second"


async def test_line_added_by_sql_does_not_count(database_with_history, run_command):
    forged = text(
        "INSERT INTO journal_intake (id, occurred_at, act, outcome, reason, request_id, facts) "
        "SELECT gen_random_uuid(), '2026-11-23 15:00+00', 'x', 'done', 'y', '', "
        "jsonb_set(facts, '{toestand,0,rij,note}', '\"forged\"') "
        "FROM (SELECT facts FROM journal UNION ALL SELECT facts FROM journal_intake) lines LIMIT 1"
    )
    async with database_with_history.service.begin() as connection:
        await connection.execute(forged)
    ended = await run_command("audit", "state", KEY, "--at", "2030-01-01")
    assert json.loads(ended.out)["rij"]["note"] == "second"
    assert "1 lines do not count" in ended.operator_output


@pytest.mark.parametrize("at", ["", "soon", "2026-13-01", "0001-01-01T00:00+23:59"])
async def test_malformed_instant_is_a_usage_error(run_command, at):
    assert (await run_command("audit", "state", KEY, "--at", at)).code == 2
