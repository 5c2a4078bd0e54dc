"""Rewrap of data keys under the new key-encryption key, during normal use."""

import asyncio
from datetime import date

import pytest
from sqlalchemy import text

from machtiging.crypto import rotation
from machtiging.crypto.key_manifest import KeyKind
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.data_key_rotation import count_data_keys_by_version, rewrap_batch
from machtiging.identity.people import Profile, find_or_create_by_broker, load_data_key, load_profile, save_profile
from machtiging.kernel.errors import Fault
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON, make_key_directory
from tests.builders.rows import CODE_TRIES, JOURNAL_INTAKE, PERSONS

PROFILE = Profile("Noor Voorbeeld", date(1951, 4, 7), None)


@pytest.fixture
def keys(tmp_path):
    """A key directory of this test."""
    return make_key_directory(tmp_path / "keys")


async def some_people(database, keyring, count=5, prefix="p"):
    async with unit_of_work(database.sessions) as session:
        made = []
        for number in range(count):
            who = await find_or_create_by_broker(session, keyring, "https://b.example", f"{prefix}{number}", at=NOON)
            await save_profile(session, keyring, who, PROFILE)
            made.append(who)
    return made


def rotated(keys):
    rotation.rotate_key(keys, KeyKind.KEK, NOON)
    return KeyRing.load(keys)


async def batch(database, keyring, after=None, at_most=100):
    async with unit_of_work(database.sessions) as session:
        return await rewrap_batch(session, keyring, after, limit=at_most, at=NOON, operator="beheer1")


async def by_version(database):
    async with unit_of_work(database.sessions) as session:
        return await count_data_keys_by_version(session)


async def read_journal_lines(database):
    async with database.sessions() as session:
        found = await JOURNAL_INTAKE.read(session, "reason", "facts", act="sleutel:gewisseld")
        return [(row.reason, row.facts) for row in found]


async def opens_for(database, keyring, who):
    async with unit_of_work(database.sessions) as session:
        return await load_profile(session, keyring, who)


async def test_rewrap_moves_all_data_keys_to_new_kek(database, keys):
    old = KeyRing.load(keys)
    people = await some_people(database, old)
    new = rotated(keys)
    done = await batch(database, new)
    assert (done.rewrapped, done.undecryptable) == (5, ())
    assert await by_version(database) == {2: 5}
    assert [await opens_for(database, new, who) for who in people] == [PROFILE] * 5


async def test_old_kek_can_be_removed_after_rewrap(database, keys):
    [who] = await some_people(database, KeyRing.load(keys), 1)
    await batch(database, rotated(keys))
    manifest = keys / "keys.json"
    kept = [entry for entry in rotation.read_key_entries(keys) if entry.name != "kek-1"]
    manifest.write_text(rotation.key_manifest.serialise_manifest(kept))
    (keys / "kek-1.key").unlink()
    assert await opens_for(database, KeyRing.load(keys), who) == PROFILE


async def test_worker_with_old_key_ring_reads_rewrapped_data(database, keys):
    worker = KeyRing.load(keys)
    [who] = await some_people(database, worker, 1)
    await batch(database, rotated(keys))
    assert await opens_for(database, worker, who) == PROFILE


async def test_rewrap_batches_cover_every_person_and_resume(database, keys):
    await some_people(database, KeyRing.load(keys))
    new = rotated(keys)
    first = await batch(database, new, at_most=2)
    assert await by_version(database) == {1: 3, 2: 2}
    second = await batch(database, new, first.last, at_most=2)
    assert second.last > first.last
    assert (await batch(database, new)).rewrapped == 1
    assert (await batch(database, new)).last is None
    assert await by_version(database) == {2: 5}


async def test_rewrap_batch_is_journalled_unless_empty(database, keys):
    await some_people(database, KeyRing.load(keys), 3)
    new = rotated(keys)
    for _ in range(3):
        await batch(database, new, at_most=2)
    facts = {"kek": 2, "beheerder": "beheer1"}
    expected = [("datasleutels_opnieuw_verpakt", facts | {"datasleutels": count}) for count in (2, 1)]
    assert await read_journal_lines(database) == expected


async def test_interrupted_rewrap_batch_is_rolled_back(database, keys):
    await some_people(database, KeyRing.load(keys))
    new = rotated(keys)
    with pytest.raises(RuntimeError):
        async with unit_of_work(database.sessions) as session:
            await rewrap_batch(session, new, None, limit=100, at=NOON)
            raise RuntimeError
    assert await by_version(database) == {1: 5}
    assert await read_journal_lines(database) == []


async def test_rewrap_skips_locked_row_until_next_batch(database, keys):
    people = await some_people(database, KeyRing.load(keys), 3)
    new = rotated(keys)
    async with database.sessions() as busy:
        await save_profile(busy, new, people[1], Profile("Andere Naam", None, None))
        await busy.execute(text("SELECT 1 FROM party WHERE id = :who FOR NO KEY UPDATE"), {"who": people[1]})
        assert (await asyncio.wait_for(batch(database, new), 3)).rewrapped == 2
        await busy.commit()
    assert (await batch(database, new)).rewrapped == 1
    assert (await opens_for(database, new, people[1])).name == "Andere Naam"


async def test_rewrap_does_not_block_foreign_key_inserts(database, keys):
    [who] = await some_people(database, KeyRing.load(keys), 1)
    new = rotated(keys)
    async with unit_of_work(database.sessions) as session:
        await rewrap_batch(session, new, None, limit=100, at=NOON)
        async with database.sessions() as beside:
            await beside.execute(text("SET LOCAL lock_timeout = '1s'"))
            trying = "INSERT INTO code_try (id, person_id, tried_at) VALUES (gen_random_uuid(), :who, now())"
            await beside.execute(text(trying), {"who": who})
            await beside.commit()
        assert await CODE_TRIES.count(session, person_id=who) == 1


async def test_concurrent_rewraps_share_the_work(database, keys):
    people = await some_people(database, KeyRing.load(keys), 12)
    new = rotated(keys)

    async def run():
        after, count = None, 0
        while (done := await batch(database, new, after, at_most=2)).last is not None:
            after, count = done.last, count + done.rewrapped
        return count

    counts = await asyncio.gather(run(), run(), run())
    while (await batch(database, new)).last is not None:
        pass
    assert sum(counts) <= 12
    assert await by_version(database) == {2: 12}
    assert [await opens_for(database, new, who) for who in people] == [PROFILE] * 12


async def test_rewrap_skips_corrupt_data_key(database, keys):
    people = await some_people(database, KeyRing.load(keys), 3)
    async with database.sessions.begin() as session:
        spoiled = "UPDATE party SET data_key_wrapped = '\\x00' WHERE id = :who"
        await session.execute(text(spoiled), {"who": people[0]})
    done = await batch(database, rotated(keys))
    assert (done.rewrapped, done.undecryptable) == (2, (people[0],))
    assert await by_version(database) == {1: 1, 2: 2}


async def test_rewrap_skips_data_key_moved_to_another_person(database, keys):
    people = await some_people(database, KeyRing.load(keys), 2)
    async with database.sessions.begin() as session:
        swap = "UPDATE party SET data_key_wrapped = (SELECT data_key_wrapped FROM party WHERE id = :a) WHERE id = :b"
        await session.execute(text(swap), {"a": people[0], "b": people[1]})
    assert (await batch(database, rotated(keys))).undecryptable == (people[1],)


async def test_rewrap_with_unknown_kek_version_changes_nothing(database, keys):
    await some_people(database, KeyRing.load(keys), 2)
    async with database.sessions.begin() as session:
        await session.execute(text("UPDATE party SET kek_version = 9"))
    with pytest.raises(Fault, match="sleutelversie_onbekend"):
        await batch(database, rotated(keys))
    assert await by_version(database) == {9: 2}


async def test_rewrap_without_rotation_does_nothing(database, keys):
    await some_people(database, KeyRing.load(keys), 2)
    assert (await batch(database, KeyRing.load(keys))).last is None
    assert await read_journal_lines(database) == []


async def test_new_person_gets_data_key_under_new_kek(database, keys):
    await some_people(database, rotated(keys), 1)
    assert await by_version(database) == {2: 1}
    async with unit_of_work(database.sessions) as session:
        who = await PERSONS.read_value(session, "id")
        assert await load_data_key(session, KeyRing.load(keys), who)
