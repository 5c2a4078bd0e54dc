"""The API of an organisation end to end: the service, its login broker and browsers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from machtiging.identity.csrf import CSRF_HEADER
from tests.builders.people import ISSUER, LoginBrowser, LoginWorld, join_simulator
from tests.builders.portal import assemble_service, copy_application
from tests.builders.rows import JOURNAL_INTAKE
from tests.storage.organisations.organisation_world import OrganisationWorld

KVK = "90000001"
CSRF_INPUT = re.compile(r'name="csrf" value="([^"]+)"')
API = ISSUER + "/api/v1"


@dataclass
class ApiBrowser:
    """A logged-in browser that calls the API from a page of ours."""

    browser: LoginBrowser
    csrf: str = ""

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {"Accept": "application/json", "Origin": ISSUER, CSRF_HEADER: self.csrf, **headers}
        content = {} if body is None else {"json": body}
        return await self.browser.http.request(method, API + path, headers=sent, **content)

    async def get(self, path: str) -> httpx.Response:
        """Read, and keep the CSRF token of the answer."""
        response = await self.call("GET", path)
        self.csrf = response.headers.get(CSRF_HEADER, self.csrf)
        return response


@dataclass
class OrganisationApi:
    """The service, its broker and its database."""

    login: LoginWorld
    database: Any
    clock: Any

    async def log_in(self, persona: str) -> ApiBrowser:
        """Log in as this persona, and take the CSRF token from a form."""
        browser = await self.login.logged_in(persona)
        page = (await browser.get("/uitloggen")).text
        return ApiBrowser(browser, CSRF_INPUT.search(page).group(1))

    async def lines(self, act: str) -> list[Any]:
        return list(await JOURNAL_INTAKE.read(self.database, act=act))


@pytest.fixture
async def api(database, clock):
    service = copy_application(
        assemble_service(),
        clock=clock,
        sessions=database.sessions,
        engines=(database.service, database.sealer),
        sealer_engine=database.sealer,
    )
    return OrganisationApi(join_simulator(service, clock), database, clock)


@pytest.fixture
async def organisation(api) -> UUID:
    """An organisation with the KvK number of some personas, that asks for recognition."""
    return await OrganisationWorld(api.database, api.clock).register(KVK)
