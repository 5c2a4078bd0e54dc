"""The API of the Berichtenbox."""

import pytest

from tests.builders.letters import make_api_world


@pytest.fixture
async def world(database, clock):
    return await make_api_world(database, clock)
