"""An application with the verifications, a citizen, a helper and an agency with a token."""

import base64
import functools
import json

import httpx
import pytest
from fastapi import FastAPI

from machtiging.access.entitlements.engine import Entitlements
from machtiging.access_tokens.tokens import insert_token
from machtiging.dependencies import attach_services
from machtiging.verification.routes import VERIFICATION_BODY_LIMITS, public_router, router
from machtiging.web import body_limits, headers, language
from machtiging.web.errors.handlers import install_error_handlers
from tests.builders.applications import API_ISSUER, POLICIES, copy_application, make_services
from tests.builders.bearer import make_token_facts, sign_access_token
from tests.builders.letters import CITIZEN, HELPER
from tests.builders.rows import JOURNAL_INTAKE

PATH = "/api/v1/verificaties"
BELASTINGDIENST = "00000099000000003000"
SCOPE = "verificaties:vragen"


@functools.cache
def _assembled():
    app = FastAPI()
    attach_services(app, make_services(entitlements=Entitlements.load(POLICIES)))
    app.include_router(router)
    app.include_router(public_router)
    install_error_handlers(app)
    body_limits.install(app, max_bytes_by_path=VERIFICATION_BODY_LIMITS)
    language.install(app)
    headers.install(app, issuer=API_ISSUER)
    return app


def make_question(**changes):
    """The helper for the citizen, by BSN, in a dienst of the Belastingdienst. A value of `...` is left out."""
    values = {
        "dienst": "inkomstenbelasting",
        "doel": "behandelen",
        "vertegenwoordigde": {"type": "BSN", "waarde": CITIZEN},
        "gemachtigde": {"type": "BSN", "waarde": HELPER},
    }
    return {name: value for name, value in {**values, **changes}.items() if value is not ...}


def read_claims(proof):
    """The claims of a proof, without a check of the signature."""
    payload = proof.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


class VerifyingAgency:
    """An agency that asks, in the world of the Berichtenbox."""

    def __init__(self, world, app):
        self.world, self.app = world, app

    async def issue_token(self, **changes):
        values = {"oin": BELASTINGDIENST, "acts": frozenset(), "client_id": "afnemer", "scope": SCOPE} | changes
        facts = make_token_facts(self.world.clock.now(), **values)
        async with self.world.sessions.begin() as session:
            await insert_token(session, facts)
        return sign_access_token(facts, keyring=self.world.keyring, nbf=int(facts.issued_at.timestamp()))

    async def post(self, *questions, oin=BELASTINGDIENST, token=None, **fields):
        token = token or await self.issue_token(oin=oin)
        async with self._open_client(token) as client:
            body = fields or {"json": {"verificaties": list(questions)}}
            return await client.post(PATH, **body)

    async def get(self, path, oin=BELASTINGDIENST):
        async with self._open_client(await self.issue_token(oin=oin)) as client:
            return await client.get(path)

    def _open_client(self, token):
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        fields = {"Authorization": f"Bearer {token}"}
        return httpx.AsyncClient(transport=transport, base_url=API_ISSUER, headers=fields)

    async def ask(self, oin=BELASTINGDIENST, **changes):
        """The result of one question."""
        answer = await self.post(make_question(**changes), oin=oin)
        assert answer.status_code == 200, answer.text
        return answer.json()["resultaten"][0]

    async def read_lines(self):
        """The journal lines of the questions, oldest first."""
        return await JOURNAL_INTAKE.read(self.world, act="verificatie:gevraagd")


@pytest.fixture
async def agency(world):
    return VerifyingAgency(world, copy_application(_assembled(), sessions=world.sessions, clock=world.clock))
