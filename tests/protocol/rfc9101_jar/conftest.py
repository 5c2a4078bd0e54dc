import pytest


@pytest.fixture
async def flow(oauth):
    """An authorization request that is not pushed yet."""
    return await oauth.request()
