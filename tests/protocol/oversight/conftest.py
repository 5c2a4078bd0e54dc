"""The service with its login simulator, and those who oversee it in their browsers."""

import pytest

from tests.builders.people import join_simulator
from tests.builders.portal import assemble_service, copy_application


@pytest.fixture
async def service(database, clock):
    app = copy_application(
        assemble_service(),
        clock=clock,
        sessions=database.sessions,
        engines=(database.service, database.sealer),
        sealer_engine=database.sealer,
    )
    return join_simulator(app, clock)


@pytest.fixture
async def auditor(service):
    return await service.logged_in("auditor")
