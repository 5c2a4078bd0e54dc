import pytest

from tests.builders.proof import Holder


@pytest.fixture
def holder(clock):
    return Holder(clock)
