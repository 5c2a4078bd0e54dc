"""Loading the catalogue, and finding agencies and diensten in it."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from machtiging.agencies.catalogue import CATALOGUE, load_catalogue, oin_of
from machtiging.agencies.queries import agency, all_agencies, dienst_of
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.storage.unit_of_work import unit_of_work

UWV = oin_of("UWV")


async def counts(session):
    return tuple([await session.scalar(text(f"SELECT count(*) FROM {table}")) for table in ("agency", "dienst")])


async def test_loading_twice_is_loading_once(session):
    await load_catalogue(session)
    once = await counts(session)
    await load_catalogue(session)
    assert await counts(session) == once == (len(CATALOGUE), sum(map(len, CATALOGUE.values())))


async def test_two_can_load_at_the_same_moment(database):
    async def load():
        async with unit_of_work(database.sessions) as session:
            await load_catalogue(session)

    await asyncio.gather(load(), load(), load())
    async with unit_of_work(database.sessions) as session:
        assert (await counts(session))[0] == len(CATALOGUE)


async def test_loading_mends_a_label_and_leaves_a_suspension_alone(session):
    await load_catalogue(session)
    await session.execute(text("UPDATE dienst SET sensitivity = 'gewoon' WHERE code = 'wia-uitkering'"))
    await session.execute(text("UPDATE agency SET active = false, name = 'oud' WHERE oin = :oin"), {"oin": UWV})
    await load_catalogue(session)
    assert await dienst_of(session, UWV, "wia-uitkering") is None
    await session.execute(text("UPDATE agency SET active = true"))
    found = await dienst_of(session, UWV, "wia-uitkering")
    assert found is not None
    assert found.sensitivity is Sensitivity.VERTROUWELIJK
    mended = await agency(session, UWV)
    assert mended is not None
    assert mended.name == "UWV"


async def test_an_agency_without_a_dienst_is_an_agency_too(session):
    await load_catalogue(session)
    values = {"oin": "00000099000000009999", "name": "Nieuwe afnemer"}
    await session.execute(text("INSERT INTO agency (oin, name, active) VALUES (:oin, :name, true)"), values)
    alone = await agency(session, values["oin"])
    assert alone is not None
    assert (alone.name, alone.diensten) == ("Nieuwe afnemer", ())
    every = await all_agencies(session)
    assert alone in every
    assert len(every) == len(CATALOGUE) + 1


async def test_a_dienst_is_found_with_its_theme_and_sensitivity(session):
    await load_catalogue(session)
    found = await dienst_of(session, oin_of("CAK"), "eigen-bijdrage-wlz")
    assert found is not None
    assert (found.theme, found.sensitivity) == (Theme.ZORG, Sensitivity.GEVOELIG)
    assert found.key == f"{oin_of('CAK')}/eigen-bijdrage-wlz"


UNKNOWN = [
    (UWV, "bestaat-niet"),
    (oin_of("CAK"), "ww-uitkering"),
    ("00000099000000999000", "ww-uitkering"),
    (UWV, "WW-UITKERING"),
    ("", ""),
    (UWV, "' OR true --"),
]


async def test_what_is_not_in_the_catalogue_is_not_found(session):
    await load_catalogue(session)
    for oin, code in UNKNOWN:
        assert await dienst_of(session, oin, code) is None


async def test_an_agency_that_is_not_active_is_not_there(session):
    await load_catalogue(session)
    await session.execute(text("UPDATE agency SET active = false WHERE oin = :oin"), {"oin": UWV})
    assert await agency(session, UWV) is None
    assert await dienst_of(session, UWV, "ww-uitkering") is None
    assert UWV not in {view.oin for view in await all_agencies(session)}


async def test_all_agencies_come_by_name_with_their_diensten(session):
    await load_catalogue(session)
    views = await all_agencies(session)
    assert len(views) == len(CATALOGUE)
    assert {view.name: {d.code for d in view.diensten} for view in views} == {
        name: {entry.code for entry in entries} for (name, _), entries in CATALOGUE.items()
    }


MALFORMED = [
    "INSERT INTO agency VALUES ('123', 'x', true)",
    "INSERT INTO agency VALUES ('00000099000000001000', 'tweede', true)",
    f"INSERT INTO dienst VALUES ('{UWV}', 'Met Spaties', 'x', 'zorg', 'gewoon')",
    f"INSERT INTO dienst VALUES ('{UWV}', 'x', 'x', 'zorg', 'geheim')",
    "INSERT INTO dienst VALUES ('00000099000000999000', 'x', 'x', 'zorg', 'gewoon')",
]


async def test_the_database_refuses_a_malformed_entry(session):
    await load_catalogue(session)
    for statement in MALFORMED:
        with pytest.raises(DBAPIError, match="violates"):
            async with session.begin_nested():
                await session.execute(text(statement))


async def test_the_service_cannot_remove_an_agency_that_letters_refer_to(session):
    await load_catalogue(session)
    with pytest.raises(DBAPIError, match="permission denied"):
        await session.execute(text("DELETE FROM dienst"))
