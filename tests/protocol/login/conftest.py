"""The service with the stand-in broker or a misbehaving one."""

import pytest

from tests.builders.applications import replace_services
from tests.builders.people import ISSUER, LoginBrowser, make_broker, make_login_service, make_login_world
from tests.builders.rows import JOURNAL_INTAKE
from tests.protocol.login.misbehaving_broker import MisbehavingBroker


@pytest.fixture
def login_world(database, clock):
    """The service and the real stand-in broker."""
    return make_login_world(database.sessions, clock)


@pytest.fixture
def browser(login_world):
    return login_world.browser()


@pytest.fixture
def log_in(login_world):
    """Return a function that logs a persona in with a new browser."""
    return lambda persona="naaste": login_world.logged_in(persona)


@pytest.fixture
def bad_broker():
    return MisbehavingBroker()


@pytest.fixture
def browser_at_bad_broker(database, clock, bad_broker):
    """A browser at a service with a misbehaving broker."""
    service = make_login_service(database.sessions, clock)
    replace_services(service, broker=make_broker(bad_broker))
    return LoginBrowser({ISSUER: service})


@pytest.fixture
def read_journal(database):
    """The acts and reasons journalled so far, oldest first."""

    async def read():
        async with database.sessions() as session:
            rows = await JOURNAL_INTAKE.read(session, "act", "reason")
            return [tuple(row) for row in rows]

    return read
