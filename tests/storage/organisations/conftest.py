"""A world with organisations."""

import pytest

from tests.storage.organisations.organisation_world import OrganisationWorld


@pytest.fixture
async def world(database):
    """A database with two operators."""
    made = OrganisationWorld(database)
    await made.add_operators()
    return made
