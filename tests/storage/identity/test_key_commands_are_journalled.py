"""`keys generate`, `keys rotate` and `keys rewrap` are journalled with kid and operator."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from machtiging.cli.operator_name import get_operator_name
from machtiging.crypto.key_manifest import KeyKind, is_scheduled
from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.rotation import read_key_entries
from machtiging.identity.people import find_or_create_by_broker
from machtiging.kernel.clock import SystemClock
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.command_line import make_command_line
from tests.builders.keys import load_keyring
from tests.builders.rows import JOURNAL_INTAKE

NEXT_WEEK = SystemClock().now() + timedelta(days=7)


@pytest.fixture
def run_without_database(tmp_path, capsys, monkeypatch):
    """An installation without a database."""
    return make_command_line(None, tmp_path, capsys, monkeypatch)


async def read_journal_lines(database):
    async with unit_of_work(database.sessions) as session:
        return await JOURNAL_INTAKE.read(session, JOURNAL_INTAKE.c.act.like("sleutel:%"))


def kids(ring) -> set[str]:
    return {key["kid"] for key in KeyRing.load(ring).public_jwks()["keys"]}


def stopped_half_way(ring) -> None:
    """Leave only the RSA keys, as an interrupted `keys generate` does."""
    for path in ring.iterdir():
        if not path.name.startswith(("ps256-", "rs256-")):
            path.unlink()


async def test_rotation_is_journalled_with_kid_and_operator(run_command, database):
    assert (await run_command("keys", "rotate", "es256")).code == 0
    [line] = await read_journal_lines(database)
    assert (line.act, line.reason, line.capacity) == ("sleutel:gewisseld", "in_gebruik", "beheerder")
    assert line.object_id in kids(run_command.keys)
    assert line.object_id.startswith("es256-2.")
    assert line.facts == {"beheerder": get_operator_name(), "soort": "es256"}


async def test_urgent_and_scheduled_rotation_are_journalled_with_their_reason(run_command, database):
    await run_command("keys", "rotate", "es256", "--at-once")
    told = await run_command("keys", "rotate", "es256", "--from", NEXT_WEEK.isoformat())
    assert (told.code, "signs from" in told.operator_output) == (0, True)
    leaked, planned = await read_journal_lines(database)
    assert (leaked.reason, planned.reason) == ("met_spoed_in_gebruik", "gepland")
    assert datetime.fromisoformat(planned.facts["vanaf"]) == NEXT_WEEK
    [waits] = [entry for entry in read_key_entries(run_command.keys) if is_scheduled(entry)]
    assert (waits.name, waits.activated_at) == ("es256-3", NEXT_WEEK)
    listed = await run_command("keys", "list")
    assert f"from {NEXT_WEEK:%Y-%m-%d %H:%M} UTC" in listed.out


async def test_kek_rotation_is_journalled_by_key_name(run_command, database):
    await run_command("keys", "rotate", "kek")
    [line] = await read_journal_lines(database)
    assert line.object_id == "kek-2"


async def test_rewrap_is_journalled_with_operator(run_command, database):
    async with unit_of_work(database.sessions) as session:
        at = SystemClock().now()
        await find_or_create_by_broker(session, load_keyring(), "https://b.example", "a", at=at)
    await run_command("keys", "rotate", "kek")
    assert (await run_command("keys", "rewrap")).code == 0
    line = (await read_journal_lines(database))[-1]
    assert line.facts == {"kek": 2, "datasleutels": 1, "beheerder": get_operator_name()}


async def test_key_generation_is_journalled_once_per_key(run_command, database):
    stopped_half_way(run_command.keys)
    for _ in range(2):
        assert (await run_command("keys", "generate")).code == 0
    written = await read_journal_lines(database)
    assert sorted(line.facts["soort"] for line in written) == sorted(
        one.kind.value for one in read_key_entries(run_command.keys)
    )
    assert {line.act for line in written} == {"sleutel:gemaakt"}
    assert kids(run_command.keys) <= {line.object_id for line in written}


async def test_key_journal_lines_hold_no_key_material(run_command, database):
    await run_command("keys", "rotate", "es256", "--at-once")
    await run_command("keys", "rotate", "kek")
    written = str(await read_journal_lines(database))
    for path in run_command.keys.glob("*.key"):
        for piece in path.read_text().split("\n"):
            assert len(piece) < 20 or piece not in written


async def test_key_generation_without_database_succeeds_with_a_warning(run_without_database, tmp_path):
    stopped_half_way(run_without_database.keys)
    made = await run_without_database("keys", "generate")
    assert (made.code, "does not stand in the journal" in made.operator_output) == (0, True)
    again = await run_without_database("keys", "generate")
    assert (again.code, "journal" in again.operator_output) == (0, False)
    turned = await run_without_database("keys", "rotate", "es256")
    assert (turned.code, "does not stand in the journal" in turned.operator_output) == (0, True)
    assert not (tmp_path / "data").exists(), "no database was made for it"


async def test_rotation_with_unreachable_database_succeeds_and_exits_1(run_without_database, monkeypatch):
    monkeypatch.setenv("MACHTIGING_DATABASE_URL", "postgresql://nobody:hush@127.0.0.1:1/none")
    turned = await run_without_database("keys", "rotate", "es256", "--at-once")
    assert (turned.code, "NOT in the journal" in turned.operator_output, "hush" in turned.operator_output) == (
        1,
        True,
        False,
    )
    assert [entry.version for entry in read_key_entries(run_without_database.keys) if entry.kind is KeyKind.ES256] == [
        1,
        2,
        3,
    ]
    stopped_half_way(run_without_database.keys)
    made = await run_without_database("keys", "generate")
    assert (made.code, "NOT in the journal" in made.operator_output) == (0, True)


@pytest.mark.parametrize(
    ("moment", "code", "says"),
    [
        ("2020-01-01", 1, "moment_voorbij"),
        ("2999-01-01", 1, "moment_te_ver"),
        ("morgen", 2, "a date or a moment"),
        ("", 2, "a date or a moment"),
        ("2027-02-30", 2, "a date or a moment"),
        ("0001-01-01T00:00+14:00", 2, "a date or a moment"),
    ],
)
async def test_rotation_with_invalid_moment_changes_nothing(run_command, database, moment, code, says):
    before = (run_command.keys / "keys.json").read_bytes()
    ended = await run_command("keys", "rotate", "es256", "--from", moment)
    assert (ended.code, says in ended.operator_output) == (code, True)
    assert (run_command.keys / "keys.json").read_bytes() == before
    assert await read_journal_lines(database) == []


async def test_rotation_now_and_scheduled_is_a_usage_error(run_command):
    assert (await run_command("keys", "rotate", "es256", "--at-once", "--from", NEXT_WEEK.isoformat())).code == 2


async def test_rotation_moment_without_time_zone_is_utc(run_command):
    day = NEXT_WEEK.date().isoformat()
    assert (await run_command("keys", "rotate", "es256", "--from", day)).code == 0
    [waits] = [entry for entry in read_key_entries(run_command.keys) if is_scheduled(entry)]
    assert waits.activated_at == datetime.combine(NEXT_WEEK.date(), datetime.min.time(), UTC)
    assert json.loads((run_command.keys / "keys.json").read_text())["version"] == 1
