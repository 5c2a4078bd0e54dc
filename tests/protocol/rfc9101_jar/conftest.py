import pytest


@pytest.fixture
async def unpushed_flow(oauth):
    """An authorization request that is not pushed yet."""
    return await oauth.request()
