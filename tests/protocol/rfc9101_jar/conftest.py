import pytest


@pytest.fixture
async def flow(oauth):
    """A request of an app that has not been pushed."""
    return await oauth.request()
