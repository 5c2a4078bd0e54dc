import pytest

from tests.builders.bearer import Doorstep
from tests.builders.proof import Holder


@pytest.fixture
async def doorstep(database, clock):
    return await Doorstep.build(database, clock)


@pytest.fixture
def holder(clock):
    return Holder(clock)
