"""An application with AuthZEN for the box: agencies ask about letters, diensten and a berichtenbox."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from machtiging.access.entitlements.engine import Entitlements
from machtiging.access.entitlements.policy_rows import EntitlementRow
from machtiging.access_tokens.tokens import insert_token
from machtiging.berichtenbox.decision_point.sender_letters import SenderLetters
from machtiging.dependencies import attach_services
from machtiging.verification.authzen.routes import router
from machtiging.web import body_limits, headers, language
from machtiging.web.errors.handlers import install_error_handlers
from tests.builders.applications import API_ISSUER, POLICIES, copy_application, make_services
from tests.builders.bearer import make_token_facts, sign_access_token
from tests.builders.letters import CITIZEN, HELPER, BerichtenboxWorld
from tests.builders.rows import JOURNAL_INTAKE

BELASTINGDIENST = "00000099000000003000"
TAX, COLLECTION = "inkomstenbelasting", "invordering"
SUBSTANTIAL = "http://eidas.europa.eu/LoA/substantial"
HELPER_SUBJECT, CITIZEN_NAMED = {"type": "bsn", "id": HELPER}, {"type": "bsn", "id": CITIZEN}


def about_dienst(code: str = TAX, act: str = "lezen", *, subject: Any = HELPER_SUBJECT, **context: Any) -> Any:
    """A question about a dienst for the citizen. A context member that is `...` is left out."""
    members = {"vertegenwoordigde": CITIZEN_NAMED, "acr": SUBSTANTIAL} | context
    return {
        "subject": subject,
        "action": {"name": act},
        "resource": {"type": "dienst", "id": code},
        "context": {name: value for name, value in members.items() if value is not ...},
    }


def about_letter(letter_id: str, act: str = "lezen", *, subject: Any = HELPER_SUBJECT, **context: Any) -> Any:
    """A question about a letter."""
    question = about_dienst(act=act, subject=subject, vertegenwoordigde=..., **context)
    return question | {"resource": {"type": "bericht", "id": letter_id}}


@functools.cache
def _assembled() -> FastAPI:
    app = FastAPI()
    attach_services(app, make_services(letters=SenderLetters()))
    app.include_router(router)
    install_error_handlers(app)
    body_limits.install(app)
    language.install(app)
    headers.install(app, issuer=API_ISSUER)
    return app


class BoxEnforcementPoint:
    """An agency that asks about the box, in the world of the Berichtenbox."""

    def __init__(self, world: BerichtenboxWorld, app: FastAPI, oin: str = BELASTINGDIENST) -> None:
        self.world, self.app, self.oin = world, app, oin

    def as_agency(self, oin: str) -> BoxEnforcementPoint:
        """The same, as another agency."""
        return BoxEnforcementPoint(self.world, self.app, oin)

    async def issue_token(self, **changes: Any) -> str:
        """A token of the agency."""
        values = {"oin": self.oin, "acts": frozenset(), "client_id": f"pep-{self.oin}", "scope": "verificaties:vragen"}
        facts = make_token_facts(self.world.clock.now(), **(values | changes))
        async with self.world.sessions.begin() as session:
            await insert_token(session, facts)
        return sign_access_token(facts, keyring=self.world.keyring, nbf=int(facts.issued_at.timestamp()))

    async def post(self, api: str, members: Any, token: str | None = None) -> httpx.Response:
        """Post a JSON object to an API of the box."""
        fields = {"Authorization": f"Bearer {token or await self.issue_token()}"}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=API_ISSUER, headers=fields) as client:
            return await client.post(f"/access/v1/{api}", json=members)

    async def ask(self, members: Any) -> dict[str, Any]:
        """The answer to one question, without its id."""
        answer = await self.post("evaluation", members)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["context"].pop("evaluation_id")
        return found

    async def decide(self, members: Any) -> bool:
        """The decision on one question."""
        return (await self.ask(members))["decision"]

    async def search(self, kind: str, members: Any) -> list[str]:
        """The ids or names that a search finds."""
        answer = await self.post(f"search/{kind}", members)
        assert answer.status_code == 200, answer.text
        return [one.get("name") or one["id"] for one in answer.json()["results"]]

    async def read_lines(self) -> list[Any]:
        """The journal lines of the questions, oldest first."""
        return await JOURNAL_INTAKE.read(self.world, act="verificatie:gevraagd")


def load_entitlements(*rows: EntitlementRow) -> Entitlements:
    """The entitlements of the installation, with these rows beside them."""
    return Entitlements((*Entitlements.load(Path(POLICIES)).rows, *rows))


@pytest.fixture
async def pep(world: BerichtenboxWorld) -> BoxEnforcementPoint:
    """The Belastingdienst as an enforcement point."""
    changes = {"sessions": world.sessions, "clock": world.clock, "entitlements": load_entitlements()}
    return BoxEnforcementPoint(world, copy_application(_assembled(), **changes))
