"""A database, a server of ours, a person with a browser, and third-party clients."""

import html
import json
import re
import sys
from uuid import uuid4

import pytest
from sqlalchemy import make_url

from tests.builders.black_box import Person
from tests.builders.black_box_ours import ours
from tests.builders.database import admin, dsn
from tests.builders.parties import HERE, NODE, PLACE, ROOT
from tests.interop.dialogue import HOME, talk

DETAILS = json.dumps([{"type": "berichtenbox", "actions": ["lijst", "lezen"]}])


@pytest.fixture(scope="session")
async def shared_database(postgres_url):
    """A migrated database for servers of ours; each registers clients of its own."""
    name = f"i_{uuid4().hex}"
    template = make_url(postgres_url).database
    await admin(postgres_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    yield dsn(postgres_url, name)
    await admin(postgres_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def target(shared_database, tmp_path_factory):
    """A running server of ours: its description."""
    with ours(shared_database, tmp_path_factory.mktemp("interop")) as file:
        yield json.loads(file.read_text())


@pytest.fixture(scope="module")
async def person(target):
    made = Person(target["login"])
    yield made
    await made.http.aclose()


@pytest.fixture
def run_client(target, person, tmp_path):
    """Run one step of a third-party library in a script, with this person at the browser."""

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
