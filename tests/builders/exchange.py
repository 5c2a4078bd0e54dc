"""Services in a chain: resource servers, those that exchange tokens, and tokens made without walking login pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import insert, text

from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import uuid7
from machtiging.oauth import queries
from machtiging.oauth.dependencies import build_issuer
from machtiging.oauth.request_parameters.resource_indicators import find_target
from machtiging.oauth.rules import build_authorization_details
from machtiging.oauth.tables import SEALED_GRANT, OAuthGrant
from machtiging.oauth.token_issuance import ActiveGrant, TokenSpec, issue_user_token
from machtiging.storage.columns import table_of
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.black_box import claims_of
from tests.builders.clients import AUDIENCE, agency_client, make_client_keys
from tests.builders.oauth import App
from tests.builders.sealing import seal_rows

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
HUIS = "https://huis.voorbeeld.example/api"
ARCHIEF = "https://archief.voorbeeld.example/api"
ADVIES = "https://advies.voorbeeld.example"
EVERYWHERE = [HUIS, ARCHIEF, ADVIES, AUDIENCE]
KEYS = make_client_keys()


def server_metadata(keys: Any = KEYS, **changes: Any) -> dict[str, Any]:
    """RFC 7591 metadata of a service that guards a resource and exchanges nothing."""
    made = agency_client(keys, client_name="Huisdienst", scope="", resource_server=True, resource=HUIS)
    return made | changes


def exchanger_metadata(keys: Any = KEYS, **changes: Any) -> dict[str, Any]:
    """RFC 7591 metadata of a service that guards a resource and goes on from there."""
    made = server_metadata(keys, grant_types=[EXCHANGE], exchange_targets=EVERYWHERE)
    return made | changes


@dataclass
class Chain:
    """The son and his reading app, and services that he may meet along the way."""

    oauth: Any
    app: App
    machtiging: Any

    async def server(self, **changes: Any) -> App:
        return await self.oauth.add(server_metadata(**changes), KEYS)

    async def exchanger(self, **changes: Any) -> App:
        return await self.oauth.add(exchanger_metadata(**changes), KEYS)

    async def token(self, resource: str | None = HUIS, *, machtiging: Any = ..., **order: Any) -> str:
        """A token for the son's app, as if he had consented just now. `machtiging=None`: for his own box."""
        held = self.machtiging if machtiging is ... else machtiging
        at, issuer = self.oauth.clock.now(), build_issuer(self.oauth.service.state.services)
        acts = held.scope.acts if held else self.machtiging.scope.acts
        grant = {
            "id": uuid7(),
            "client_id": self.app.client_id,
            "person_id": self.oauth.committed.people.son,
            "machtiging_id": held and held.id,
            "authorization_details": build_authorization_details(held and held.id, acts),
            "scope": "openid",
            "assurance": Assurance.SUBSTANTIAL.value,
            "authenticated_at": at,
            "created_at": at,
            "requested_claims": {},
        }
        async with unit_of_work(self.oauth.sessions) as session:
            await session.execute(insert(table_of(OAuthGrant)), grant)
            await seal_rows(session, SEALED_GRANT)
            consented = ActiveGrant(await queries.find_grant(session, grant["id"]), held)
            client = await queries.find_active_client(session, self.app.client_id)
            wanted = TokenSpec(await find_target(session, issuer, resource), **order)
            made = await issue_user_token(session, issuer, client, consented, at=at, spec=wanted)
        return made["access_token"]

    async def exchange(
        self, service: App, token: str, *, headers: dict[str, str] | None = None, **changes: Any
    ) -> httpx.Response:
        """POST /token for the archive; a change of None leaves a parameter out."""
        form = {
            "grant_type": EXCHANGE,
            "subject_token": token,
            "subject_token_type": ACCESS_TOKEN,
            "resource": ARCHIEF,
        }
        merged = {**service.credentials(), **form, **changes}
        kept = {name: value for name, value in merged.items() if value is not None}
        return await service.http.post("/token", data=kept, headers=headers)

    async def exchanged(self, service: App, token: str, **changes: Any) -> str:
        response = await self.exchange(service, token, **changes)
        assert response.status_code == 200, response.text
        return response.json()["access_token"]

    async def live(self, service: App, token: str) -> bool:
        """Tell if introspection by this service returns an active token."""
        return (await service.post("/introspect", {"token": token})).json()["active"]

    async def run(self, statement: str, **values: Any) -> None:
        async with unit_of_work(self.oauth.sessions) as session:
            await session.execute(text(statement), values)
            await seal_rows(session)

    async def row(self, token: str) -> Any:
        """The token as it is written down."""
        async with unit_of_work(self.oauth.sessions) as session:
            wanted = text("SELECT * FROM issued_token WHERE id = :id")
            return (await session.execute(wanted, {"id": claims_of(token)["jti"]})).one()


async def a_chain(oauth: Any) -> Chain:
    """Son, app and a machtiging; register the services that a test needs."""
    return Chain(oauth, await oauth.reading_app(), await oauth.machtiging())


def refused(response: httpx.Response, error: str) -> None:
    """The RFC's error, and never a token."""
    assert (response.status_code, response.json()["error"]) == (400, error), response.text
    assert "access_token" not in response.json()
