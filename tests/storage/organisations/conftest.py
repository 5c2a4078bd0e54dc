"""A world with organisations."""

import pytest

from tests.storage.organisations.organisation_world import OrganisationWorld


@pytest.fixture
async def world(database):
    """A database with two operators."""
    made = OrganisationWorld(database)
    await made.add_operators()
    return made


@pytest.fixture
async def organisation(world):
    """A recognised organisation."""
    return await world.recognise()


@pytest.fixture
async def administrator(world, organisation):
    """The first organisatiebeheerder, active."""
    return await world.administer(organisation)
