"""An organisation that assigns in tasks."""

import pytest

from tests.storage.assignment_tasks.task_world import TaskWorld
from tests.storage.assignments.assignment_world import Assignments


@pytest.fixture
async def tasks(database):
    """A recognised organisation with a teamleider and a care worker, and one worker of ours."""
    return TaskWorld(await Assignments.begin(database))
