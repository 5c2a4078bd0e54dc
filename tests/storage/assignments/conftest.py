"""An organisation that assigns."""

import pytest

from tests.storage.assignments.assignment_world import Assignments


@pytest.fixture
async def office(database):
    """A recognised organisation with a teamleider and a care worker."""
    return await Assignments.begin(database)
