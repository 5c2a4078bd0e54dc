import pytest

from tests.builders.keys import KeyHolder


@pytest.fixture
def holder(clock):
    return KeyHolder(clock)
