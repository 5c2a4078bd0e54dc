"""The server that the black-box tests run against: ours, or MACHTIGING_TEST_TARGET.

That variable names a JSON file: `issuer`; `clients` by the part they play, each with `client_id`, `scope`,
`redirect_uri`, a private `jwk` when it has one and `extra` parameters; `login` and `refusing`, the answers to what
forms ask (`link`: the end of an address to follow instead). The parts are: app, other and public (no key) for the code
flow; refreshing, keeping and phone (no key) for refresh tokens; signing (must sign its requests); machine (client
credentials) and resource (introspects).

What a server can do besides is declared by what it tells, and what it does not tell is skipped: clients exchanger,
depot and archive (each with the `resource` that it guards; exchanger may go on to all three, depot to exchanger) and
gateway (guards the API itself, may go on to archive); clients desk, desk_too and signing_desk (must sign) for CIBA,
with `counter`: how somebody is asked there (tests/protocol/black_box/ciba_desk.py); client newcomer with an
`initial_access_token`; `details`, `authorization_details` to ask; `spent`, tokens that are over.
"""

import json
import os
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from tests.builders.database import create_database_clone, drop_database
from tests.protocol.black_box.authorization_server import Attempt, BlackBoxPerson, BlackBoxServer
from tests.protocol.black_box.ciba_desk import BlackBoxCibaDesk
from tests.protocol.black_box.our_server import ours


@pytest.fixture(scope="session")
async def server_database_url(template_url):
    """A migrated database for our server process, for the whole run."""
    url = await create_database_clone(template_url)
    yield url
    await drop_database(url)


@pytest.fixture(scope="session")
def target_file(request, tmp_path_factory):
    named = os.environ.get("MACHTIGING_TEST_TARGET")
    if named:
        yield Path(named)
        return
    url = request.getfixturevalue("server_database_url")
    with ours(url, tmp_path_factory.mktemp("ours")) as file:
        yield file


@pytest.fixture(scope="session")
async def server(target_file) -> BlackBoxServer:
    found = await BlackBoxServer.at(json.loads(target_file.read_text()))
    yield found
    await found.close()


@pytest.fixture(scope="session")
async def person(server) -> BlackBoxPerson:
    """A person who logs in at most once."""
    return server.person()


@pytest.fixture
def app(server):
    return server.client("app")


@pytest.fixture
def other_client(server):
    return server.client("other")


@pytest.fixture
def attempt(server, app, person) -> Attempt:
    """A code flow that has not begun."""
    return Attempt(server, app, person)


@pytest.fixture(scope="session")
def token_store() -> dict:
    return {}


@pytest.fixture
async def spare_token(server, attempt, token_store) -> dict:
    """The token response of one code flow, shared by tests that do not end it."""
    if not token_store or not await server.active(token_store["access_token"]):
        token_store.update(await attempt.tokens())
    return token_store


@pytest.fixture(scope="session")
async def _shared_ciba_desk(server) -> BlackBoxCibaDesk | None:
    """The CIBA desk of this run, with its persons; each logs in at most once."""
    return BlackBoxCibaDesk(server) if "counter" in server.told else None


@pytest.fixture
async def ciba_desk(server, _shared_ciba_desk) -> BlackBoxCibaDesk:
    """The CIBA desk without pending requests."""
    server.needs("counter", "desk", "desk_too")
    yield _shared_ciba_desk
    await _shared_ciba_desk.tidy()


@pytest.fixture
def key() -> ECKey:
    """A fresh key for DPoP."""
    return ECKey.generate_key("P-256")
