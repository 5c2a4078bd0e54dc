"""`keys generate`, `keys rotate` and `keys rewrap` leave lines: which key by its kid, by whom, nothing of the key."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from machtiging.cli.operator_name import get_operator_name
from machtiging.crypto.key_manifest import KeyKind, is_scheduled
from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.rotation import read_key_entries
from machtiging.identity.people import find_or_create_by_broker
from machtiging.kernel.clock import SystemClock
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.audit import AS_WRITTEN
from tests.builders.command_line import a_command_line
from tests.builders.crypto import a_keyring

NEXT_WEEK = SystemClock().now() + timedelta(days=7)


@pytest.fixture
def run(database, tmp_path, capsys, monkeypatch):
    return a_command_line(database.url, tmp_path, capsys, monkeypatch)


@pytest.fixture
def alone(tmp_path, capsys, monkeypatch):
    """An installation without a database."""
    return a_command_line(None, tmp_path, capsys, monkeypatch)


async def lines(database):
    async with unit_of_work(database.sessions) as session:
        found = await session.execute(text(f"SELECT * FROM journal_intake WHERE act LIKE 'sleutel:%' {AS_WRITTEN}"))
        return list(found)


def kids(ring) -> set[str]:
    return {key["kid"] for key in KeyRing.load(ring).public_jwks()["keys"]}


def stopped_half_way(ring) -> None:
    """As `keys generate` leaves it when it is stopped after the RSA keys, which take long to find and then stay."""
    for path in ring.iterdir():
        if not path.name.startswith(("ps256-", "rs256-")):
            path.unlink()


async def test_a_rotation_leaves_a_line_with_the_kid_and_the_operator(run, database):
    assert (await run("keys", "rotate", "es256")).code == 0
    [line] = await lines(database)
    assert (line.act, line.reason, line.capacity) == ("sleutel:gewisseld", "in_gebruik", "beheerder")
    assert line.object_id in kids(run.keys)
    assert line.object_id.startswith("es256-2.")
    assert line.facts == {"beheerder": get_operator_name(), "soort": "es256"}


async def test_a_leak_and_a_key_for_later_are_told_apart(run, database):
    await run("keys", "rotate", "es256", "--at-once")
    told = await run("keys", "rotate", "es256", "--from", NEXT_WEEK.isoformat())
    assert (told.code, "signs from" in told.told) == (0, True)
    leaked, planned = await lines(database)
    assert (leaked.reason, planned.reason) == ("met_spoed_in_gebruik", "gepland")
    assert datetime.fromisoformat(planned.facts["vanaf"]) == NEXT_WEEK
    [waits] = [entry for entry in read_key_entries(run.keys) if is_scheduled(entry)]
    assert (waits.name, waits.activated_at) == ("es256-3", NEXT_WEEK)
    listed = await run("keys", "list")
    assert f"from {NEXT_WEEK:%Y-%m-%d %H:%M} UTC" in listed.out


async def test_a_key_encryption_key_is_called_by_its_name(run, database):
    await run("keys", "rotate", "kek")
    [line] = await lines(database)
    assert line.object_id == "kek-2"


async def test_rewrapping_says_who(run, database):
    async with unit_of_work(database.sessions) as session:
        at = SystemClock().now()
        await find_or_create_by_broker(session, a_keyring(), "https://b.example", "a", at=at)
    await run("keys", "rotate", "kek")
    assert (await run("keys", "rewrap")).code == 0
    line = (await lines(database))[-1]
    assert line.facts == {"kek": 2, "datasleutels": 1, "beheerder": get_operator_name()}


async def test_making_the_ring_leaves_a_line_for_every_key_and_making_it_again_none(run, database):
    stopped_half_way(run.keys)
    for _ in range(2):
        assert (await run("keys", "generate")).code == 0
    written = await lines(database)
    assert sorted(line.facts["soort"] for line in written) == sorted(
        one.kind.value for one in read_key_entries(run.keys)
    )
    assert {line.act for line in written} == {"sleutel:gemaakt"}
    assert kids(run.keys) <= {line.object_id for line in written}


async def test_no_line_holds_anything_of_a_key(run, database):
    await run("keys", "rotate", "es256", "--at-once")
    await run("keys", "rotate", "kek")
    written = str(await lines(database))
    for path in run.keys.glob("*.key"):
        for piece in path.read_text().split("\n"):
            assert len(piece) < 20 or piece not in written


async def test_before_there_is_a_database_keys_are_made_all_the_same_and_it_is_said(alone, tmp_path):
    stopped_half_way(alone.keys)
    made = await alone("keys", "generate")
    assert (made.code, "does not stand in the journal" in made.told) == (0, True)
    again = await alone("keys", "generate")
    assert (again.code, "journal" in again.told) == (0, False)
    turned = await alone("keys", "rotate", "es256")
    assert (turned.code, "does not stand in the journal" in turned.told) == (0, True)
    assert not (tmp_path / "data").exists(), "no database was made for it"


async def test_a_database_that_is_away_stops_no_rotation_but_is_a_finding(alone, monkeypatch):
    monkeypatch.setenv("MACHTIGING_DATABASE_URL", "postgresql://nobody:hush@127.0.0.1:1/none")
    turned = await alone("keys", "rotate", "es256", "--at-once")
    assert (turned.code, "NOT in the journal" in turned.told, "hush" in turned.told) == (1, True, False)
    assert [entry.version for entry in read_key_entries(alone.keys) if entry.kind is KeyKind.ES256] == [1, 2, 3]
    stopped_half_way(alone.keys)
    made = await alone("keys", "generate")
    assert (made.code, "NOT in the journal" in made.told) == (0, True)


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
async def test_a_moment_that_is_past_or_nonsense_changes_nothing(run, database, moment, code, says):
    before = (run.keys / "keys.json").read_bytes()
    ended = await run("keys", "rotate", "es256", "--from", moment)
    assert (ended.code, says in ended.told) == (code, True)
    assert (run.keys / "keys.json").read_bytes() == before
    assert await lines(database) == []


async def test_now_and_later_at_once_is_wrong_use(run):
    assert (await run("keys", "rotate", "es256", "--at-once", "--from", NEXT_WEEK.isoformat())).code == 2


async def test_a_moment_without_a_zone_is_in_utc(run):
    day = NEXT_WEEK.date().isoformat()
    assert (await run("keys", "rotate", "es256", "--from", day)).code == 0
    [waits] = [entry for entry in read_key_entries(run.keys) if is_scheduled(entry)]
    assert waits.activated_at == datetime.combine(NEXT_WEEK.date(), datetime.min.time(), UTC)
    assert json.loads((run.keys / "keys.json").read_text())["version"] == 1
