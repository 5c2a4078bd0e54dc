"""Both stories with logging at DEBUG: no secret in logs, journal or refusals."""

import asyncio
import io
import json
import logging as standard
import re
from urllib.parse import parse_qsl, urlsplit

import pytest
import structlog
from sqlalchemy import text

from machtiging.agencies.catalogue import upsert_catalogue
from machtiging.app import create_app
from machtiging.cli.demo.caseload.story import play_caseload_story
from machtiging.cli.demo.environment import StoryEnvironment
from machtiging.cli.demo.letters import LETTERS
from machtiging.cli.demo.narrator import StoryNarrator
from machtiging.cli.demo.story import play_story
from machtiging.cli.processes.servers import bind_socket, run_servers
from machtiging.delegation.machtigingscode import is_well_formed_code
from machtiging.kernel.clock import SystemClock
from machtiging.kernel.readable_code import normalise_code
from machtiging.settings import Environment, Settings
from machtiging.simulators.app import create_simulator
from machtiging.simulators.personas import CLIENTS, PERSONAS, TEAM
from machtiging.web import structured_logging
from tests.builders.applications import POLICIES
from tests.builders.command_line import preserve_logging
from tests.builders.keys import make_key_directory

SECRET_FIELDS = {
    "access_token",
    "id_token",
    "code",
    "code_verifier",
    "client_assertion",
    "request_uri",
    "csrf",
    "token",
}
CODE_ON_PAPER = re.compile(r'class="code">([^<]+)<')
# The frame of a page names the visitor, and a form carries the token of the visitor's own session.
MAIN, HIDDEN_FIELD = re.compile(r"<main.*</main>", re.DOTALL), re.compile(r'<input type="hidden"[^>]*>')


def read_refusal(body):
    main = MAIN.search(body)
    return body if main is None else HIDDEN_FIELD.sub("", main[0])


class Witness:
    """ASGI middleware that records the secrets and the refusals of each request."""

    def __init__(self, app):
        self._app = app
        self.secrets, self.refusals = set(), []

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said, status = bytearray(), 0

        async def received():
            message = await receive()
            self._fields(message.get("body", b""))
            return message

        async def sent(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._headers(message["headers"])
            said.extend(message.get("body", b""))
            await send(message)

        self._headers(scope["headers"])
        await self._app(scope, received, sent)
        if status >= 400:
            self.refusals.append(read_refusal(bytes(said).decode()))
        else:
            self._answer(bytes(said))

    def _headers(self, headers):
        for name, value in headers:
            plain = value.decode()
            if name == b"authorization":
                self.secrets.add(plain.split()[-1])
            elif name in {b"set-cookie", b"cookie"}:
                self.secrets |= {part.split("=", 1)[1].split(";")[0] for part in plain.split("; ") if "__Host-" in part}
            elif name == b"location":
                self._fields(urlsplit(plain).query.encode())

    def _fields(self, form):
        if form[:2] != b"--":
            self.secrets |= {v for k, v in parse_qsl(form.decode("latin-1")) if k in SECRET_FIELDS and len(v) > 8}

    def _answer(self, body):
        if body.startswith(b"{"):
            self.secrets |= {v for k, v in json.loads(body).items() if k in SECRET_FIELDS}
        elif b"<html" in body[:200]:
            self.secrets |= set(CODE_ON_PAPER.findall(body.decode()))


@pytest.fixture
def log_streams():
    """Logs at DEBUG as in production, and at INFO before redaction."""
    with preserve_logging():
        formatted, raw = io.StringIO(), io.StringIO()
        structured_logging.configure_logging("DEBUG", formatted)

        def record_event(_logger, _method, event):
            if event["level"] != "debug":
                raw.write(f"{event}\n")
            return event

        processors = structlog.get_config()["processors"]
        processors.insert(processors.index(structured_logging.redact_event), record_event)
        unredacted = standard.StreamHandler(raw)  # what libraries log
        unredacted.setLevel(standard.INFO)
        standard.getLogger().addHandler(unredacted)
        yield formatted, raw


async def play_story_with_witness(database, place, witnesses):
    taken = [bind_socket("127.0.0.1", 0) for _ in range(3)]
    ports = [one.getsockname()[1] for one in taken]
    taken[2].close()
    settings = Settings(
        env=Environment.TEST,
        issuer=f"http://localhost:{ports[0]}",
        broker_issuer=f"http://localhost:{ports[1]}",
        smtp_port=ports[2],
        database_url=database.url,
        keys_dir=make_key_directory(place / "keys"),
        policies_dir=POLICIES,
    )
    async with database.sessions.begin() as session:
        await upsert_catalogue(session)
    app = create_app(settings)
    witnesses.append(Witness(app))
    world = StoryEnvironment(
        settings.issuer,
        settings.broker_issuer,
        database.sessions,
        database.sealer,
        app.state.services.keyring,
        SystemClock(),
    )
    async with run_servers((create_simulator(settings), taken[1]), (witnesses[0], taken[0])):
        narrator = StoryNarrator(lambda *_: None, lambda *_: None)
        for play in (play_story, play_caseload_story):
            await asyncio.wait_for(play(world, narrator), 240)


async def test_row_67_logs_journal_and_refusals_hold_no_secret(database, tmp_path, log_streams):
    witnesses = []
    await play_story_with_witness(database, tmp_path, witnesses)
    (witness,) = witnesses
    people = (*PERSONAS.values(), *CLIENTS, *TEAM)
    canaries = witness.secrets | {persona.bsn for persona in people if persona.bsn}
    canaries |= {persona.name for persona in people} | {letter.onderwerp for letter in LETTERS}
    canaries |= {letter.inhoud[25:65] for letter in LETTERS}
    kinds = ("eyJ", "urn:ietf:params:oauth:request_uri:")
    assert all(any(secret.startswith(kind) for secret in witness.secrets) for kind in kinds)
    assert any(is_well_formed_code(normalise_code(secret)) for secret in witness.secrets)
    assert len(witness.secrets) > 15
    formatted, raw = (stream.getvalue() for stream in log_streams)
    assert '"route"' in formatted
    assert "request" in raw
    assert len(witness.refusals) > 4
    async with database.sessions() as session:
        both = "SELECT j::text FROM journal j UNION ALL SELECT i::text FROM journal_intake i"
        journal = "\n".join((await session.execute(text(both))).scalars())
    places = {"log": formatted, "log before redaction": raw, "journal": journal, "refusals": str(witness.refusals)}
    found = [(place, canary[:60]) for place, content in places.items() for canary in canaries if canary in content]
    assert found == []
