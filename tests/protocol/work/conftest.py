"""The fixtures of the pages and the API of an employee."""

from __future__ import annotations

import pytest

from tests.protocol.work.office import WorkOffice


@pytest.fixture
async def office(world, portal):
    """A recognised organisation with one employee."""
    return await WorkOffice.open(world, portal)
