"""Persons: found by BSN or broker subject, unique, with an encrypted profile."""

import asyncio
from datetime import date

import pytest
from sqlalchemy import text

from machtiging.identity.people import (
    Profile,
    find_or_create_by_broker,
    find_or_create_by_bsn,
    load_data_key,
    load_email,
    load_profile,
    save_profile,
)
from machtiging.kernel.birth_date import PartialDate
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.errors import Fault, NotFound
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import load_keyring
from tests.builders.rows import PERSONS

BSN = Bsn("999990019")
RIET = Profile("Riet van der Linden-Hoekstra", date(1943, 4, 17), "riet@post.example")


async def everything_about_people(session) -> str:
    return await PERSONS.dump(session)


async def test_same_bsn_is_the_same_person(session, clock):
    first = await find_or_create_by_bsn(session, load_keyring(), BSN, at=clock.now())
    again = await find_or_create_by_bsn(session, load_keyring(), Bsn("999990019"), at=clock.now())
    other = await find_or_create_by_bsn(session, load_keyring(), Bsn("999990020"), at=clock.now())
    assert first == again != other


async def test_same_subject_at_another_broker_is_another_person(session, clock):
    here = await find_or_create_by_broker(session, load_keyring(), "https://a.example", "x", at=clock.now())
    again = await find_or_create_by_broker(session, load_keyring(), "https://a.example", "x", at=clock.now())
    there = await find_or_create_by_broker(session, load_keyring(), "https://b.example", "x", at=clock.now())
    assert here == again != there


@pytest.mark.parametrize("by", ["bsn", "broker"])
async def test_concurrent_logins_create_one_person(database, clock, by):
    async def one():
        async with unit_of_work(database.sessions) as session:
            if by == "bsn":
                return await find_or_create_by_bsn(session, load_keyring(), BSN, at=clock.now())
            return await find_or_create_by_broker(session, load_keyring(), "https://a.example", "x", at=clock.now())

    assert len(set(await asyncio.gather(*(one() for _ in range(10))))) == 1
    async with database.sessions() as session:
        assert await PERSONS.count(session) == 1


async def test_bsn_and_name_are_stored_encrypted(session, clock):
    person = await find_or_create_by_bsn(session, load_keyring(), BSN, at=clock.now())
    await save_profile(session, load_keyring(), person, RIET)
    seen = await everything_about_people(session)
    assert "Riet" not in seen
    assert "999990019" not in seen
    assert b"999990019".hex() not in seen


async def test_profile_is_loaded_as_saved_and_updated(session, clock):
    person = await find_or_create_by_bsn(session, load_keyring(), BSN, at=clock.now())
    assert await load_profile(session, load_keyring(), person) is None
    assert await load_email(session, load_keyring(), person) is None
    await save_profile(session, load_keyring(), person, RIET)
    assert await load_profile(session, load_keyring(), person) == RIET
    moved = Profile("Riet Hoekstra", RIET.birth_date, "hoekstra@post.example")
    await save_profile(session, load_keyring(), person, moved)
    assert await load_profile(session, load_keyring(), person) == moved
    assert await load_email(session, load_keyring(), person) == "hoekstra@post.example"


LESS = [
    Profile("", None, None),
    Profile("", None, ""),
    Profile(RIET.name, None, RIET.email),
    Profile("", PartialDate(1943, None, None), None),
    Profile("", PartialDate(None, 4, 17), None),
]


async def test_profile_with_absent_parts_keeps_known_values(session, clock):
    person = await find_or_create_by_bsn(session, load_keyring(), BSN, at=clock.now())
    await save_profile(session, load_keyring(), person, RIET)
    for told in LESS:
        await save_profile(session, load_keyring(), person, told)
        assert await load_profile(session, load_keyring(), person) == RIET


async def test_profile_with_partial_birth_date_is_loaded_as_saved(session, clock):
    person = await find_or_create_by_bsn(session, load_keyring(), BSN, at=clock.now())
    partly = Profile("", PartialDate(1943, None, None), None)
    await save_profile(session, load_keyring(), person, partly)
    assert await load_profile(session, load_keyring(), person) == partly


async def test_concurrent_logins_merge_the_profile(database, clock):
    async with unit_of_work(database.sessions) as session:
        person = await find_or_create_by_bsn(session, load_keyring(), BSN, at=clock.now())

    async def log_in(told):
        async with unit_of_work(database.sessions) as session:
            await save_profile(session, load_keyring(), person, told)

    parts = [Profile(RIET.name, None, None), Profile("", RIET.birth_date, None), Profile("", None, RIET.email)]
    await asyncio.gather(*map(log_in, parts))
    async with database.sessions() as session:
        assert await load_profile(session, load_keyring(), person) == RIET


async def test_unchanged_profile_is_not_rewritten(session, clock):
    person = await find_or_create_by_bsn(session, load_keyring(), BSN, at=clock.now())
    await save_profile(session, load_keyring(), person, RIET)
    before = await everything_about_people(session)
    await save_profile(session, load_keyring(), person, RIET)
    assert await everything_about_people(session) == before


async def test_encrypted_profile_moved_to_another_row_is_rejected(session, clock):
    riet = await find_or_create_by_bsn(session, load_keyring(), BSN, at=clock.now())
    bram = await find_or_create_by_bsn(session, load_keyring(), Bsn("999990020"), at=clock.now())
    await save_profile(session, load_keyring(), riet, RIET)
    swap = "UPDATE person SET profile_sealed = (SELECT profile_sealed FROM person WHERE id = :a) WHERE id = :b"
    await session.execute(text(swap), {"a": riet, "b": bram})
    with pytest.raises(Fault, match="versleuteling_klopt_niet"):
        await load_profile(session, load_keyring(), bram)


async def test_encrypted_profile_moved_with_its_data_key_is_rejected(session, clock):
    riet = await find_or_create_by_bsn(session, load_keyring(), BSN, at=clock.now())
    bram = await find_or_create_by_bsn(session, load_keyring(), Bsn("999990020"), at=clock.now())
    await save_profile(session, load_keyring(), riet, RIET)
    for table, columns in (("person", "profile_sealed"), ("party", "data_key_wrapped, kek_version")):
        swap = f"UPDATE {table} SET ({columns}) = (SELECT {columns} FROM {table} WHERE id = :a) WHERE id = :b"
        await session.execute(text(swap), {"a": riet, "b": bram})
    with pytest.raises(Fault, match="versleuteling_klopt_niet"):
        await load_profile(session, load_keyring(), bram)


async def test_unknown_person_has_no_profile_and_no_data_key(session):
    nobody = PersonId(uuid7())
    assert await load_profile(session, load_keyring(), nobody) is None
    with pytest.raises(NotFound, match="persoon_onbekend"):
        await load_data_key(session, load_keyring(), nobody)
    with pytest.raises(NotFound, match="persoon_onbekend"):
        await save_profile(session, load_keyring(), nobody, RIET)
