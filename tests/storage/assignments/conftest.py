"""An organisation that assigns."""

import pytest

from tests.storage.assignments.assignment_world import Assignments
from tests.storage.assignments.four_eyes_acts import demand
from tests.storage.assignments.team_acts import TeamActs


@pytest.fixture
async def office(database):
    """A recognised organisation with a teamleider and a care worker."""
    return await Assignments.begin(database)


@pytest.fixture
async def four_eyes(office):
    """The organisation demands four eyes for every assignment."""
    await demand(office)
    return office


@pytest.fixture
async def teams(office):
    """The acts of an organisatiebeheerder on teams."""
    return await TeamActs.begin(office)


@pytest.fixture
async def four_eyes_teams(four_eyes):
    """The same, where the organisation demands four eyes."""
    return await TeamActs.begin(four_eyes)
