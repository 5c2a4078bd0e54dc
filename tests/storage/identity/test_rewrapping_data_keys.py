"""After a rotation every data key comes under the new key-encryption key, while others work, stop and start again."""

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
from tests.builders.audit import AS_WRITTEN
from tests.builders.crypto import a_key_directory
from tests.builders.delegation import NOON

PROFILE = Profile("Noor Voorbeeld", date(1951, 4, 7), None)


@pytest.fixture
def ring(tmp_path):
    """The directory of a ring of one's own."""
    return a_key_directory(tmp_path / "keys")


async def some_people(database, keyring, count=5, prefix="p"):
    async with unit_of_work(database.sessions) as session:
        made = []
        for number in range(count):
            who = await find_or_create_by_broker(session, keyring, "https://b.example", f"{prefix}{number}", at=NOON)
            await save_profile(session, keyring, who, PROFILE)
            made.append(who)
    return made


def rotated(ring):
    rotation.rotate_key(ring, KeyKind.KEK, NOON)
    return KeyRing.load(ring)


async def batch(database, keyring, after=None, at_most=100):
    async with unit_of_work(database.sessions) as session:
        return await rewrap_batch(session, keyring, after, limit=at_most, at=NOON, operator="beheer1")


async def by_version(database):
    async with unit_of_work(database.sessions) as session:
        return await count_data_keys_by_version(session)


async def lines(database):
    async with database.sessions() as session:
        query = f"SELECT reason, facts FROM journal_intake WHERE act = 'sleutel:gewisseld' {AS_WRITTEN}"
        found = await session.execute(text(query))
        return [(row.reason, row.facts) for row in found]


async def opens_for(database, keyring, who):
    async with unit_of_work(database.sessions) as session:
        return await load_profile(session, keyring, who)


async def test_all_come_under_the_new_key_and_what_they_seal_still_opens(database, ring):
    old = KeyRing.load(ring)
    people = await some_people(database, old)
    new = rotated(ring)
    done = await batch(database, new)
    assert (done.rewrapped, done.undecryptable) == (5, ())
    assert await by_version(database) == {2: 5}
    assert [await opens_for(database, new, who) for who in people] == [PROFILE] * 5


async def test_afterwards_the_older_key_can_be_taken_out_of_the_ring(database, ring):
    [who] = await some_people(database, KeyRing.load(ring), 1)
    await batch(database, rotated(ring))
    manifest = ring / "keys.json"
    kept = [entry for entry in rotation.read_key_entries(ring) if entry.name != "kek-1"]
    manifest.write_text(rotation.manifest.serialise_manifest(kept))
    (ring / "kek-1.key").unlink()
    assert await opens_for(database, KeyRing.load(ring), who) == PROFILE


async def test_a_worker_that_runs_with_the_older_ring_goes_on_reading(database, ring):
    worker = KeyRing.load(ring)
    [who] = await some_people(database, worker, 1)
    await batch(database, rotated(ring))
    assert await opens_for(database, worker, who) == PROFILE


async def test_batches_go_through_everybody_once_and_a_new_run_goes_on_where_the_last_one_stopped(database, ring):
    await some_people(database, KeyRing.load(ring))
    new = rotated(ring)
    first = await batch(database, new, at_most=2)
    assert await by_version(database) == {1: 3, 2: 2}
    second = await batch(database, new, first.last, at_most=2)
    assert second.last > first.last
    assert (await batch(database, new)).rewrapped == 1
    assert (await batch(database, new)).last is None
    assert await by_version(database) == {2: 5}


async def test_each_batch_leaves_one_line_with_numbers_and_the_operator_and_an_empty_one_none(database, ring):
    await some_people(database, KeyRing.load(ring), 3)
    new = rotated(ring)
    for _ in range(3):
        await batch(database, new, at_most=2)
    facts = {"kek": 2, "beheerder": "beheer1"}
    expected = [("datasleutels_opnieuw_verpakt", facts | {"datasleutels": count}) for count in (2, 1)]
    assert await lines(database) == expected


async def test_a_batch_that_is_cut_off_changes_nothing(database, ring):
    await some_people(database, KeyRing.load(ring))
    new = rotated(ring)
    with pytest.raises(RuntimeError):
        async with unit_of_work(database.sessions) as session:
            await rewrap_batch(session, new, None, limit=100, at=NOON)
            raise RuntimeError
    assert await by_version(database) == {1: 5}
    assert await lines(database) == []


async def test_whoever_is_being_changed_is_passed_by_and_taken_the_next_time(database, ring):
    people = await some_people(database, KeyRing.load(ring), 3)
    new = rotated(ring)
    async with database.sessions() as busy:
        await save_profile(busy, new, people[1], Profile("Andere Naam", None, None))
        assert (await asyncio.wait_for(batch(database, new), 3)).rewrapped == 2
        await busy.commit()
    assert (await batch(database, new)).rewrapped == 1
    assert (await opens_for(database, new, people[1])).name == "Andere Naam"


async def test_a_row_that_refers_to_a_person_can_be_written_while_her_key_is_being_rewrapped(database, ring):
    [who] = await some_people(database, KeyRing.load(ring), 1)
    new = rotated(ring)
    async with unit_of_work(database.sessions) as session:
        await rewrap_batch(session, new, None, limit=100, at=NOON)
        async with database.sessions() as beside:
            await beside.execute(text("SET LOCAL lock_timeout = '1s'"))
            trying = "INSERT INTO code_try (id, person_id, tried_at) VALUES (gen_random_uuid(), :who, now())"
            await beside.execute(text(trying), {"who": who})
            await beside.commit()


async def test_two_runs_at_once_share_the_work_and_spoil_nothing(database, ring):
    people = await some_people(database, KeyRing.load(ring), 12)
    new = rotated(ring)

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


async def test_a_key_that_does_not_open_stays_as_it_is_and_holds_up_nobody(database, ring):
    people = await some_people(database, KeyRing.load(ring), 3)
    async with database.sessions.begin() as session:
        spoiled = "UPDATE person SET data_key_wrapped = '\\x00' WHERE id = :who"
        await session.execute(text(spoiled), {"who": people[0]})
    done = await batch(database, rotated(ring))
    assert (done.rewrapped, done.undecryptable) == (2, (people[0],))
    assert await by_version(database) == {1: 1, 2: 2}


async def test_the_key_of_one_person_in_the_row_of_another_is_not_wrapped_anew(database, ring):
    people = await some_people(database, KeyRing.load(ring), 2)
    async with database.sessions.begin() as session:
        swap = "UPDATE person SET data_key_wrapped = (SELECT data_key_wrapped FROM person WHERE id = :a) WHERE id = :b"
        await session.execute(text(swap), {"a": people[0], "b": people[1]})
    assert (await batch(database, rotated(ring))).undecryptable == (people[1],)


async def test_a_version_that_the_ring_lacks_stops_it_before_anything_changes(database, ring):
    await some_people(database, KeyRing.load(ring), 2)
    async with database.sessions.begin() as session:
        await session.execute(text("UPDATE person SET kek_version = 9"))
    with pytest.raises(Fault, match="sleutelversie_onbekend"):
        await batch(database, rotated(ring))
    assert await by_version(database) == {9: 2}


async def test_without_a_rotation_there_is_nothing_to_do(database, ring):
    await some_people(database, KeyRing.load(ring), 2)
    assert (await batch(database, KeyRing.load(ring))).last is None
    assert await lines(database) == []


async def test_new_people_are_wrapped_by_the_new_key_at_once(database, ring):
    await some_people(database, rotated(ring), 1)
    assert await by_version(database) == {2: 1}
    async with unit_of_work(database.sessions) as session:
        who = await session.scalar(text("SELECT id FROM person"))
        assert await load_data_key(session, KeyRing.load(ring), who)
