import pytest

from tests.builders.keys import KeyHolder


@pytest.fixture
def key_holder(clock):
    return KeyHolder(clock)
