"""A database in which operators recognise organisations."""

import pytest

from machtiging.agencies.catalogue import upsert_catalogue
from tests.storage.history.past_world import PastWorld
from tests.storage.organisations.organisation_world import OrganisationWorld


@pytest.fixture
async def acts(database, clock):
    """The acts of organisations, with the catalogue of diensten."""
    async with database.sessions.begin() as session:
        await upsert_catalogue(session)
    acts = OrganisationWorld(database, clock)
    await acts.add_operators()
    return acts


@pytest.fixture
async def world(acts):
    """A citizen, a relative and a recognised organisation with a team."""
    return await PastWorld.begin(acts)
