"""An application with the AuthZEN endpoints and two tenants.

`proef` is public. `besloten` is for one agency.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from machtiging.access_tokens.tokens import insert_token
from machtiging.dependencies import attach_services
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.verification.authzen.routes import router
from machtiging.verification.authzen.tenants import load_tenants
from machtiging.web import body_limits, direct_routes, headers, language
from machtiging.web.errors.handlers import install_error_handlers
from machtiging.web.http_methods import head
from tests.builders.applications import API_ISSUER, copy_application, make_services
from tests.builders.bearer import make_token_facts, sign_access_token
from tests.builders.letters import UWV

TENANTS = Path(__file__).with_name("tenants")
ALICE, BOB = {"type": "user", "id": "alice"}, {"type": "user", "id": "bob"}
ADMIN = BOB | {"properties": {"role": "admin"}}
RECORD = {"type": "record", "id": "record-1"}
ARCHIVED = {"type": "record", "id": "record-2", "properties": {"status": "archived"}}
READ, WRITE = {"name": "read"}, {"name": "write"}


def question(subject: Any = ALICE, action: Any = READ, resource: Any = RECORD, **more: Any) -> dict[str, Any]:
    """The members of a question; one that is `...` is left out."""
    members = {"subject": subject, "action": action, "resource": resource, **more}
    return {name: value for name, value in members.items() if value is not ...}


@functools.cache
def _assembled() -> FastAPI:
    app = FastAPI()
    attach_services(app, make_services(authzen_tenants=load_tenants(TENANTS, practice=True)))
    app.include_router(router)
    install_error_handlers(app)
    body_limits.install(app)
    direct_routes.install(app)
    head.install(app)
    language.install(app)
    headers.install(app, issuer=API_ISSUER)
    return app


class PolicyEnforcementPoint:
    """A caller of the AuthZEN endpoints of one tenant."""

    def __init__(self, app: FastAPI, sessions: Any, clock: Any, tenant: str = "proef") -> None:
        self.app, self.sessions, self.clock, self.tenant = app, sessions, clock, tenant

    def at_tenant(self, tenant: str) -> PolicyEnforcementPoint:
        """The same caller at another tenant."""
        return PolicyEnforcementPoint(self.app, self.sessions, self.clock, tenant)

    async def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request as it is."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=API_ISSUER) as client:
            return await client.request(method, path, **request)

    async def post(self, api: str, members: Any, **fields: str) -> httpx.Response:
        """Post a JSON object to an API of the tenant, with these header fields."""
        return await self.send("POST", f"/authzen/{self.tenant}/access/v1/{api}", json=members, headers=fields)

    async def post_bytes(self, api: str, body: bytes, content_type: str = "application/json") -> httpx.Response:
        """Post bytes as they are."""
        fields = {"Content-Type": content_type} if content_type else {}
        return await self.send("POST", f"/authzen/{self.tenant}/access/v1/{api}", content=body, headers=fields)

    async def decide(self, **members: Any) -> bool:
        """The decision on one question."""
        answer = await self.post("evaluation", question(**members))
        assert answer.status_code == 200, answer.text
        return answer.json()["decision"]

    async def decide_batch(self, members: Any) -> list[bool]:
        """The decisions on a batch."""
        answer = await self.post("evaluations", members)
        assert answer.status_code == 200, answer.text
        return [one["decision"] for one in answer.json()["evaluations"]]

    async def search(self, kind: str, members: Any) -> list[str]:
        """The ids or names that a search finds."""
        answer = await self.post(f"search/{kind}", members)
        assert answer.status_code == 200, answer.text
        return [one["name"] if kind == "action" else one["id"] for one in answer.json()["results"]]

    async def issue_token(self, oin: str = UWV, **changes: Any) -> str:
        """A token of an agency."""
        values = {"oin": oin, "acts": frozenset(), "client_id": f"client-{oin}", "scope": "verificaties:vragen"}
        facts = make_token_facts(self.clock.now(), **(values | changes))
        async with unit_of_work(self.sessions) as session:
            await insert_token(session, facts)
        return sign_access_token(facts)


@pytest.fixture
def pep(database: Any, clock: Any) -> PolicyEnforcementPoint:
    """A caller of the public tenant."""
    app = copy_application(_assembled(), sessions=database.sessions, clock=clock)
    return PolicyEnforcementPoint(app, database.sessions, clock)
