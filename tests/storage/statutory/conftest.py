import pytest

from tests.storage.statutory.register_world import build_register_world


@pytest.fixture
async def world(session):
    return await build_register_world(session)
