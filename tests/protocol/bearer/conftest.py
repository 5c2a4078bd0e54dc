"""The bearer routes, with a database and without one."""

import pytest

from tests.builders.bearer import BearerWorld


@pytest.fixture
def closed_door(clock):
    """The bearer routes without a database: a refusal here is made before any lookup."""
    return BearerWorld.without_database(clock)
