"""An application with the route for registers, a citizen, a relative and an office."""

import functools
import ipaddress
import json

import httpx
import pytest
from fastapi import FastAPI

from machtiging.access_tokens.tokens import insert_token
from machtiging.delegation.statutory.rules import StatutoryKind
from machtiging.dependencies import attach_services
from machtiging.registers.routes import router
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.web import headers, language
from machtiging.web.errors.handlers import install_error_handlers
from tests.builders.applications import API_ISSUER, copy_application, make_services
from tests.builders.bearer import make_token_facts, sign_access_token
from tests.builders.keys import make_certificate
from tests.builders.organisations import KVK, add_organisation
from tests.builders.people import add_mother_and_son

PATH = "/api/v1/registergebeurtenissen"
REGISTER_OIN = "00000099000000002000"
MOTHER_BSN, SON_BSN, STRANGER_BSN = "999990019", "999990020", "999990056"
PROXY = "10.20.0.5"


def make_item(**changes):
    """A begin of bewind by the son; a value of `...` is left out."""
    values = {
        "gebeurtenisId": "g1",
        "gebeurtenis": "begin",
        "soort": "bewind",
        "relatieId": "r1",
        "vertegenwoordigde": {"bsn": MOTHER_BSN},
        "vertegenwoordiger": {"bsn": SON_BSN},
        "ingangsdatum": "2026-11-22",
        "kenmerk": "C/10/2026/77",
        "registerdatum": "2026-11-22",
    }
    return {name: value for name, value in {**values, **changes}.items() if value is not ...}


@functools.cache
def _assembled():
    app = FastAPI()
    attach_services(app, make_services())
    app.include_router(router)
    install_error_handlers(app)
    language.install(app)
    headers.install(app, issuer=API_ISSUER)
    return app


class RegisterClient:
    """A register with a certificate and a token that is bound to it."""

    def __init__(self, database, app, certificate):
        self.database, self.sessions, self.app, self.certificate = database, database.sessions, app, certificate

    async def issue_token(self, **changes):
        values = {"oin": REGISTER_OIN, "acts": frozenset(), "client_id": "register", "x5t": self.certificate.x5t}
        values |= {"scope": "registergebeurtenissen:schrijven"} | changes
        facts = make_token_facts(**values)
        async with unit_of_work(self.sessions) as session:
            await insert_token(session, facts)
        return sign_access_token(facts)

    async def post(self, *items, token=None, certificate=True, body=None):
        fields = {"Authorization": f"Bearer {token or await self.issue_token()}", "Content-Type": "application/json"}
        if certificate:
            fields |= self.certificate.header
        content = json.dumps({"gebeurtenissen": list(items)}) if body is None else body
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=(PROXY, 40000))
        async with httpx.AsyncClient(transport=transport, base_url=API_ISSUER) as client:
            return await client.post(PATH, content=content, headers=fields)

    async def results(self, *items):
        answer = await self.post(*items)
        assert answer.status_code == 200, answer.text
        return [(one["resultaat"], one.get("code")) for one in answer.json()["resultaten"]]


@pytest.fixture
async def register(database, clock):
    async with unit_of_work(database.sessions) as session:
        people = await add_mother_and_son(session)
        await add_organisation(session, KVK)
    proxies = (ipaddress.ip_network("10.20.0.0/24"),)
    kinds = {REGISTER_OIN: frozenset(StatutoryKind)}
    app = copy_application(
        _assembled(), sessions=database.sessions, clock=clock, trusted_proxies=proxies, register_kinds=kinds
    )
    client = RegisterClient(database, app, make_certificate())
    client.people = people
    return client
