"""A sender of letters."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.builders.letters import UWV, BerichtenboxWorld


@pytest.fixture
async def agency_client(world: BerichtenboxWorld) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a token of UWV."""
    async with world.client(await world.issue_token(oin=UWV)) as client:
        yield client
