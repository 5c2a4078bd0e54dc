import pytest

from tests.builders.proof import KeyHolder


@pytest.fixture
def holder(clock):
    return KeyHolder(clock)
