"""Loading the catalogue, and finding agencies and diensten in it."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from machtiging.agencies.catalogue import CATALOGUE, find_catalogue_oin, upsert_catalogue
from machtiging.agencies.queries import find_active_agency, find_active_dienst, load_active_agencies
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.storage.unit_of_work import unit_of_work

UWV = find_catalogue_oin("UWV")


async def counts(session):
    return tuple([await session.scalar(text(f"SELECT count(*) FROM {table}")) for table in ("agency", "dienst")])


async def test_loading_twice_is_loading_once(session):
    await upsert_catalogue(session)
    once = await counts(session)
    await upsert_catalogue(session)
    assert await counts(session) == once == (len(CATALOGUE), sum(map(len, CATALOGUE.values())))


async def test_two_can_load_at_the_same_moment(database):
    async def load():
        async with unit_of_work(database.sessions) as session:
            await upsert_catalogue(session)

    await asyncio.gather(load(), load(), load())
    async with unit_of_work(database.sessions) as session:
        assert (await counts(session))[0] == len(CATALOGUE)


async def test_loading_mends_a_label_and_leaves_a_suspension_alone(session):
    await upsert_catalogue(session)
    await session.execute(text("UPDATE dienst SET sensitivity = 'gewoon' WHERE code = 'wia-uitkering'"))
    await session.execute(text("UPDATE agency SET active = false, name = 'oud' WHERE oin = :oin"), {"oin": UWV})
    await upsert_catalogue(session)
    assert await find_active_dienst(session, UWV, "wia-uitkering") is None
    await session.execute(text("UPDATE agency SET active = true"))
    found = await find_active_dienst(session, UWV, "wia-uitkering")
    assert found is not None
    assert found.sensitivity is Sensitivity.VERTROUWELIJK
    mended = await find_active_agency(session, UWV)
    assert mended is not None
    assert mended.name == "UWV"


async def test_an_agency_without_a_dienst_is_an_agency_too(session):
    await upsert_catalogue(session)
    values = {"oin": "00000099000000009999", "name": "Nieuwe afnemer"}
    await session.execute(text("INSERT INTO agency (oin, name, active) VALUES (:oin, :name, true)"), values)
    alone = await find_active_agency(session, values["oin"])
    assert alone is not None
    assert (alone.name, alone.diensten) == ("Nieuwe afnemer", ())
    every = await load_active_agencies(session)
    assert alone in every
    assert len(every) == len(CATALOGUE) + 1


async def test_a_dienst_is_found_with_its_theme_and_sensitivity(session):
    await upsert_catalogue(session)
    found = await find_active_dienst(session, find_catalogue_oin("CAK"), "eigen-bijdrage-wlz")
    assert found is not None
    assert (found.theme, found.sensitivity) == (Theme.ZORG, Sensitivity.GEVOELIG)
    assert found.scope_key == f"{find_catalogue_oin('CAK')}/eigen-bijdrage-wlz"


UNKNOWN = [
    (UWV, "bestaat-niet"),
    (find_catalogue_oin("CAK"), "ww-uitkering"),
    ("00000099000000999000", "ww-uitkering"),
    (UWV, "WW-UITKERING"),
    ("", ""),
    (UWV, "' OR true --"),
]


async def test_what_is_not_in_the_catalogue_is_not_found(session):
    await upsert_catalogue(session)
    for oin, code in UNKNOWN:
        assert await find_active_dienst(session, oin, code) is None


async def test_an_agency_that_is_not_active_is_not_there(session):
    await upsert_catalogue(session)
    await session.execute(text("UPDATE agency SET active = false WHERE oin = :oin"), {"oin": UWV})
    assert await find_active_agency(session, UWV) is None
    assert await find_active_dienst(session, UWV, "ww-uitkering") is None
    assert UWV not in {view.oin for view in await load_active_agencies(session)}


async def test_all_agencies_come_by_name_with_their_diensten(session):
    await upsert_catalogue(session)
    views = await load_active_agencies(session)
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
    await upsert_catalogue(session)
    for statement in MALFORMED:
        with pytest.raises(DBAPIError, match="violates"):
            async with session.begin_nested():
                await session.execute(text(statement))


async def test_the_service_cannot_remove_an_agency_that_letters_refer_to(session):
    await upsert_catalogue(session)
    with pytest.raises(DBAPIError, match="permission denied"):
        await session.execute(text("DELETE FROM dienst"))
