"""`keys rewrap`, `keys list` and the doctor: data keys under an older key-encryption key."""

import asyncio
import re

import pytest
from sqlalchemy import text

from machtiging.__main__ import main
from machtiging.cli.doctor_checks.installation import FindingStatus
from machtiging.cli.key_rotation import data_keys
from machtiging.crypto import rotation
from machtiging.crypto.key_manifest import KeyKind
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.people import find_or_create_by_broker
from machtiging.settings import Settings
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON, load_keyring, make_key_directory
from tests.builders.rows import PERSONS


@pytest.fixture
def keys(tmp_path, monkeypatch):
    """A key directory in which kek-2 is active."""
    directory = make_key_directory(tmp_path / "keys")
    rotation.rotate_key(directory, KeyKind.KEK, NOON)
    monkeypatch.setenv("MACHTIGING_KEYS_DIR", str(directory))
    monkeypatch.setenv("COLUMNS", "200")
    return directory


@pytest.fixture
async def keys_of_three_persons(keys, database, monkeypatch):
    """The key directory of an installation with three persons under kek-1."""
    async with unit_of_work(database.sessions) as session:
        for name in ("a", "b", "c"):
            await find_or_create_by_broker(session, load_keyring(), "https://b.example", name, at=NOON)
    monkeypatch.setenv("MACHTIGING_DATABASE_URL", database.url)
    return keys


async def run(capsys, *words):
    code = await asyncio.to_thread(main, list(words))
    told = capsys.readouterr()
    return code, told.out, " ".join(told.err.split())


def counts_in(table):
    rows = [line for line in table.splitlines() if "kek-" in line]
    return {re.search(r"kek-\d+", row)[0]: row.rstrip("│ ").split()[-1] for row in rows}


async def test_rewrap_reports_count_and_removable_key(keys_of_three_persons, capsys):
    code, _, told = await run(capsys, "keys", "rewrap", "--batch", "2")
    assert code == 0
    assert "3 data keys wrapped by kek-2." in told
    assert "No data key of this database needs an older key than kek-2 any more." in told
    assert "backup" in told
    assert "restarted" in told


async def test_rewrap_again_rewraps_nothing_and_exits_0(keys_of_three_persons, capsys):
    await run(capsys, "keys", "rewrap")
    code, _, told = await run(capsys, "keys", "rewrap")
    assert (code, "0 data keys wrapped" in told) == (0, True)


async def test_keys_list_counts_data_keys_per_kek(keys_of_three_persons, capsys):
    assert counts_in((await run(capsys, "keys", "list"))[1]) == {"kek-1": "3", "kek-2": "0"}
    await run(capsys, "keys", "rewrap")
    assert counts_in((await run(capsys, "keys", "list"))[1]) == {"kek-1": "0", "kek-2": "3"}


async def test_rewrap_with_corrupt_data_key_exits_1_and_names_it(keys_of_three_persons, database, capsys):
    async with database.sessions.begin() as session:
        who = await PERSONS.read_value(session, "id", order_by="id")
        await session.execute(text("UPDATE party SET data_key_wrapped = '\\x00' WHERE id = :who"), {"who": who})
    code, _, told = await run(capsys, "keys", "rewrap")
    assert code == 1
    assert "2 data keys wrapped" in told
    assert f"1 data keys do not open and stay as they are, of party {who}." in told
    assert "needs an older key" not in told


async def test_rewrap_leaves_locked_row_and_asks_to_run_again(keys_of_three_persons, database, capsys):
    async def stays() -> None:
        """Keep every lock."""

    async with database.sessions() as busy:
        await busy.execute(text("SELECT 1 FROM party ORDER BY id LIMIT 1 FOR UPDATE"))
        outcome = await data_keys.rewrap_data_keys(Settings(), 500, lambda done, of: None, stays)
        await busy.rollback()
    told = " ".join(data_keys.describe_rewrap(outcome))
    assert (outcome.count, outcome.remaining_count) == (2, 1)
    assert "needs an older key" not in told
    assert "1 data keys were in use or came in meanwhile. Run this again." in told
    assert (await run(capsys, "keys", "rewrap"))[0] == 0


async def test_rewrap_retries_locked_row(keys_of_three_persons, database):
    told = []
    async with database.sessions() as busy:
        await busy.execute(text("SELECT 1 FROM party ORDER BY id LIMIT 1 FOR UPDATE"))
        outcome = await data_keys.rewrap_data_keys(Settings(), 500, lambda *both: told.append(both), busy.rollback)
    assert (outcome.count, outcome.remaining_count) == (3, 0)
    assert told == [(2, 3), (3, 3)]


async def test_rewrap_with_unknown_kek_version_exits_3(keys_of_three_persons, database, capsys):
    async with database.sessions.begin() as session:
        await session.execute(text("UPDATE party SET kek_version = 9"))
    code, _, told = await run(capsys, "keys", "rewrap")
    assert code == 3
    assert "kek-9 is not in the ring" in told


async def test_rewrap_without_database_exits_3_and_keys_list_works(keys, capsys, monkeypatch):
    monkeypatch.setenv("MACHTIGING_DATABASE_URL", "postgresql://nobody:hush@127.0.0.1:1/none")
    code, _, told = await run(capsys, "keys", "rewrap")
    assert (code, "hush" in told) == (3, False)
    code, table, told = await run(capsys, "keys", "list")
    assert code == 0
    assert "kek-2" in table
    assert "cannot be asked" in told


async def test_keys_list_creates_no_database(keys, capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("MACHTIGING_DATABASE_URL", raising=False)
    monkeypatch.setenv("MACHTIGING_DATA_DIR", str(tmp_path / "data"))
    assert (await run(capsys, "keys", "list"))[0] == 0
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("size", ["0", "-1", "10001", "veel"])
async def test_rewrap_with_invalid_batch_size_is_a_usage_error(keys, capsys, size):
    assert (await run(capsys, "keys", "rewrap", "--batch", size))[0] == 2


async def test_doctor_reports_data_keys_under_old_kek(keys_of_three_persons, capsys):
    by_version = await data_keys.count_data_keys(Settings())
    found = data_keys.check_data_keys(by_version, KeyRing.load(keys_of_three_persons).kek_versions)
    assert (found.status, found.detail) == (FindingStatus.ATTENTION, "3 under kek-1, and kek-2 wraps now")
    assert "machtiging keys rewrap" in found.remedy
    _, told, _ = await run(capsys, "doctor")
    assert "3 under kek-1" in told


@pytest.mark.parametrize(
    ("by_version", "verdict"),
    [({}, "ok"), ({2: 7}, "ok"), ({1: 1, 2: 7}, "attention"), ({3: 1, 2: 7}, "wrong"), ({1: 1, 3: 1}, "wrong")],
)
def test_doctor_distinguishes_old_and_lost_kek_versions(by_version, verdict):
    assert data_keys.check_data_keys(by_version, (1, 2)).status == verdict
