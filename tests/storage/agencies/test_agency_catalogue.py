"""Loading the catalogue of agencies and diensten, and queries on it."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from machtiging.agencies.catalogue import CATALOGUE, find_catalogue_oin, upsert_catalogue
from machtiging.agencies.queries import find_active_agency, find_active_dienst, load_active_agencies
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.rows import AGENCIES, DIENSTEN

UWV = find_catalogue_oin("UWV")


async def counts(session):
    return await AGENCIES.count(session), await DIENSTEN.count(session)


async def test_loading_catalogue_twice_changes_nothing(session):
    await upsert_catalogue(session)
    once = await counts(session)
    await upsert_catalogue(session)
    assert await counts(session) == once == (len(CATALOGUE), sum(map(len, CATALOGUE.values())))


async def test_concurrent_catalogue_loads_succeed(database):
    async def load():
        async with unit_of_work(database.sessions) as session:
            await upsert_catalogue(session)

    await asyncio.gather(load(), load(), load())
    async with unit_of_work(database.sessions) as session:
        assert (await counts(session))[0] == len(CATALOGUE)


async def test_loading_catalogue_restores_labels_and_keeps_suspension(session):
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


async def test_agency_without_dienst_is_listed(session):
    await upsert_catalogue(session)
    values = {"oin": "00000099000000009999", "name": "Nieuwe afnemer"}
    await session.execute(text("INSERT INTO agency (oin, name, active) VALUES (:oin, :name, true)"), values)
    alone = await find_active_agency(session, values["oin"])
    assert alone is not None
    assert (alone.name, alone.diensten) == ("Nieuwe afnemer", ())
    every = await load_active_agencies(session)
    assert alone in every
    assert len(every) == len(CATALOGUE) + 1


async def test_dienst_is_found_with_theme_and_sensitivity(session):
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


async def test_unknown_dienst_is_not_found(session):
    await upsert_catalogue(session)
    for oin, code in UNKNOWN:
        assert await find_active_dienst(session, oin, code) is None


async def test_inactive_agency_is_not_found(session):
    await upsert_catalogue(session)
    await session.execute(text("UPDATE agency SET active = false WHERE oin = :oin"), {"oin": UWV})
    assert await find_active_agency(session, UWV) is None
    assert await find_active_dienst(session, UWV, "ww-uitkering") is None
    assert UWV not in {view.oin for view in await load_active_agencies(session)}


async def test_agencies_are_listed_by_name_with_diensten(session):
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


async def test_malformed_catalogue_row_is_rejected(session):
    await upsert_catalogue(session)
    for statement in MALFORMED:
        with pytest.raises(DBAPIError, match="violates"):
            async with session.begin_nested():
                await session.execute(text(statement))


async def test_deleting_dienst_as_service_role_is_rejected(session):
    await upsert_catalogue(session)
    with pytest.raises(DBAPIError, match="permission denied"):
        await session.execute(text("DELETE FROM dienst"))
