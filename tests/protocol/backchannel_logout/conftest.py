"""The receiver of logout tokens, an HTTP endpoint of a client."""

import pytest

from tests.protocol.backchannel_logout.logout_receiver import LogoutReceiver


@pytest.fixture
async def receiver():
    made = await LogoutReceiver().open()
    yield made
    await made.close()
