"""An organisation in which colleagues stand in for each other."""

import pytest

from tests.storage.assignments.assignment_world import Assignments
from tests.storage.stand_ins.stand_in_world import StandIns


@pytest.fixture
async def stand_ins(database):
    """A recognised organisation with a teamleider, a care worker and a replacement."""
    return await StandIns.begin(await Assignments.begin(database))
