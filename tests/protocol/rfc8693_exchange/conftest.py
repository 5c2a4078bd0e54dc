import pytest

from tests.builders.exchange import a_chain


@pytest.fixture
async def chain(oauth):
    return await a_chain(oauth)
