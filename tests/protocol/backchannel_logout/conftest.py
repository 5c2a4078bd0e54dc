"""The receiver of logout tokens, an HTTP endpoint of a client."""

import pytest

from tests.builders.openid import Receiver


@pytest.fixture
async def receiver():
    made = await Receiver().open()
    yield made
    await made.close()
