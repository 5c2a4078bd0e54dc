"""The bearer routes, with a database and without one."""

import pytest

from tests.builders.bearer import Doorstep


@pytest.fixture
async def doorstep(database, clock):
    return await Doorstep.build(database, clock)


@pytest.fixture
def closed_door(clock):
    """The bearer routes without a database: a refusal here is made before any lookup."""
    return Doorstep.without_database(clock)
