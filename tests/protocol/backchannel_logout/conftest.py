"""An app's address for logout tokens, which every test here needs."""

import pytest

from tests.builders.openid import Receiver


@pytest.fixture
async def receiver():
    made = await Receiver().open()
    yield made
    await made.close()
