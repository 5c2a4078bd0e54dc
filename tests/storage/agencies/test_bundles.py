"""Bundles of diensten: each version is published once and stays as it is."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from machtiging.agencies.bundles import BundleContent, find_current_bundle, load_current_bundles, publish_bundle
from machtiging.agencies.catalogue import BUNDLES, find_catalogue_oin, publish_practice_bundles, upsert_catalogue
from machtiging.kernel.errors import InvalidInput
from machtiging.storage.unit_of_work import unit_of_work

TAXES, BENEFITS = find_catalogue_oin("Belastingdienst"), find_catalogue_oin("Dienst Toeslagen")
FIRST = BundleContent("geld", "Geldzaken", frozenset({f"{TAXES}/invordering", f"{BENEFITS}/huurtoeslag"}))
WIDER = replace(FIRST, diensten=FIRST.diensten | {f"{TAXES}/inkomstenbelasting"})


@pytest.fixture
async def catalogue(session):
    await upsert_catalogue(session)
    return session


async def test_publishing_again_makes_the_next_version_and_keeps_the_first(catalogue, clock):
    first = await publish_bundle(catalogue, FIRST, at=clock.now())
    second = await publish_bundle(catalogue, WIDER, at=clock.now())
    assert (first.version, second.version) == (1, 2)
    assert [one.reference for one in await load_current_bundles(catalogue)] == [("geld", 2, "Geldzaken")]
    kept = await catalogue.execute(text("SELECT diensten FROM bundle_version WHERE version = 1"))
    assert set(kept.scalar_one()) == FIRST.diensten


async def test_publishing_the_same_content_changes_nothing(catalogue, clock):
    first = await publish_bundle(catalogue, FIRST, at=clock.now())
    assert await publish_bundle(catalogue, FIRST, at=clock.now()) == first


async def test_practice_bundles_loaded_twice_are_one_version(catalogue, clock):
    for _ in range(2):
        await publish_practice_bundles(catalogue, at=clock.now())
    found = await load_current_bundles(catalogue)
    assert {(one.code, one.version) for one in found} == {(code, 1) for code in BUNDLES}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"code": ""}, "bundel_ongeldig"),
        ({"code": "Geld"}, "bundel_ongeldig"),
        ({"code": "geld/2"}, "bundel_ongeldig"),
        ({"name": " "}, "bundel_ongeldig"),
        ({"name": "Geld\nzaken"}, "bundel_ongeldig"),
        ({"name": "x" * 61}, "bundel_ongeldig"),
        ({"diensten": frozenset()}, "bundel_ongeldig"),
        ({"diensten": frozenset(f"{TAXES}/d{number}" for number in range(101))}, "bundel_ongeldig"),
        ({"diensten": frozenset({f"{TAXES}/onbekend"})}, "dienst_onbekend"),
        ({"diensten": frozenset({"invordering"})}, "dienst_onbekend"),
    ],
)
async def test_wrong_bundle_is_not_published(catalogue, clock, changes, code):
    with pytest.raises(InvalidInput, match=code):
        await publish_bundle(catalogue, replace(FIRST, **changes), at=clock.now())
    assert await load_current_bundles(catalogue) == []


async def test_unknown_bundle_is_not_found(catalogue):
    assert await find_current_bundle(catalogue, "geld") is None


async def test_two_publications_at_once_are_two_versions(database, clock):
    async with unit_of_work(database.sessions) as session:
        await upsert_catalogue(session)

    async def publish(content):
        async with unit_of_work(database.sessions) as session:
            return (await publish_bundle(session, content, at=clock.now())).version

    assert sorted(await asyncio.gather(publish(FIRST), publish(WIDER))) == [1, 2]


@pytest.mark.parametrize("statement", ["UPDATE bundle_version SET name = 'x'", "DELETE FROM bundle_version"])
async def test_published_version_cannot_be_changed_or_deleted(database, clock, statement):
    async with unit_of_work(database.sessions) as session:
        await upsert_catalogue(session)
        await publish_bundle(session, FIRST, at=clock.now())
    with pytest.raises(DBAPIError):
        async with database.sessions.begin() as session:
            await session.execute(text(statement))
    async with unit_of_work(database.sessions) as session:
        assert (await find_current_bundle(session, "geld")).name == "Geldzaken"
