"""An organisation whose employees leave."""

import pytest

from tests.storage.assignments.assignment_world import Assignments
from tests.storage.handover.handover_world import Departures


@pytest.fixture
async def departures(database):
    """A recognised organisation with an organisatiebeheerder, a teamleider and a care worker."""
    return await Departures.begin(await Assignments.begin(database))
