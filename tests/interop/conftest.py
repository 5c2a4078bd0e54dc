"""A database, a server of ours, a person with a browser, and third-party clients."""

import html
import json
import re
import sys

import pytest

from tests.builders.database import create_database_clone, drop_database
from tests.interop.dialogue import HOME, talk
from tests.parties.npm_packages import HERE, NODE, PLACE, ROOT
from tests.protocol.black_box.authorization_server import BlackBoxPerson
from tests.protocol.black_box.our_server import ours

DETAILS = json.dumps([{"type": "berichtenbox", "actions": ["lijst", "lezen"]}])


@pytest.fixture(scope="session")
async def server_database_url(template_url):
    """A migrated database for servers of ours; each registers clients of its own."""
    url = await create_database_clone(template_url)
    yield url
    await drop_database(url)


@pytest.fixture(scope="module")
def target(server_database_url, tmp_path_factory):
    """A running server of ours: its description."""
    with ours(server_database_url, tmp_path_factory.mktemp("interop")) as file:
        yield json.loads(file.read_text())


@pytest.fixture(scope="module")
async def person(target):
    made = BlackBoxPerson(target["login"])
    yield made
    await made.http.aclose()


@pytest.fixture
def run_client(target, person, tmp_path):
    """Run one step of a third-party library in a script, with this browser user."""

    async def go(address):
        return {"location": (await person.go(address, HOME)).headers["location"]}

    async def leave(address):
        return {"location": (await person.go(address, HOME, besluit="uitloggen")).headers["location"]}

    async def approve(_request):
        url = target["issuer"] + "/verzoeken"
        answer = await person.press(url, "/verzoeken", besluit="akkoord")
        assert answer.status_code == 303, answer.text
        return {}

    async def played(library, step, **more):
        file = tmp_path / "told.json"
        file.write_text(json.dumps(target | {"audience": target["issuer"] + "/api/v1", "details": DETAILS} | more))
        program = HERE / f"{library}.mjs"
        node = program.exists()
        command = [str(NODE), str(program)] if node else [sys.executable, str(program.with_suffix(".py"))]
        command += [str(file), step]
        return await talk(command, PLACE if node else ROOT, {"go": go, "leave": leave, "approve": approve})

    return played


@pytest.fixture
async def meldcode(target, person):
    """The meldcode of the person for a CIBA request."""
    await person.go(target["issuer"] + "/inloggen?terug=/aan-de-balie", target["issuer"] + "/aan-de-balie")
    page = await person.press(target["issuer"] + "/aan-de-balie", "/aan-de-balie")
    return html.unescape(re.search(r"<output[^>]*>([^<]+)</output>", page.text)[1])
