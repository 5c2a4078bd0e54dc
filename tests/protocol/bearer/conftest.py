"""The two bearer doors: with a database behind them, and with none."""

import pytest

from tests.builders.bearer import Doorstep


@pytest.fixture
async def doorstep(database, clock):
    return await Doorstep.build(database, clock)


@pytest.fixture
def closed_door(clock):
    """Who is refused here is refused by what the token is, before anything is looked up."""
    return Doorstep.without_database(clock)
