"""Tokens issued without login pages. A consent with a refresh token, and services that exchange tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import httpx
from sqlalchemy import insert, text

from machtiging.access_tokens.sender_constraint.binding import NO_BINDING, TokenBinding
from machtiging.berichtenbox.authorization_details.rules import build_authorization_details
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.rules import Act
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import GrantId, uuid7
from machtiging.oauth import queries
from machtiging.oauth.authorization_details.parsing import list_acts
from machtiging.oauth.dependencies import build_issuer
from machtiging.oauth.refresh.issuance import build_refresh_token, insert_refresh_token
from machtiging.oauth.request_parameters.resource_indicators import find_target
from machtiging.oauth.tables import SEALED_GRANT, OAuthGrant
from machtiging.oauth.token_issuance import ActiveGrant, TokenSpec, issue_user_token
from machtiging.storage.columns import table_of
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import AUDIENCE, App, make_agency_metadata, make_client_keys
from tests.builders.database import seal_rows
from tests.builders.flow import OAuthWorld
from tests.builders.messages import read_claims
from tests.builders.rows import GRANTS, ISSUED_TOKENS

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
HUIS = "https://huis.voorbeeld.example/api"
ARCHIEF = "https://archief.voorbeeld.example/api"
ADVIES = "https://advies.voorbeeld.example"
EVERYWHERE = [HUIS, ARCHIEF, ADVIES, AUDIENCE]
SERVICE_KEYS = make_client_keys()


def make_server_metadata(keys: Any = SERVICE_KEYS, **changes: Any) -> dict[str, Any]:
    """RFC 7591 metadata of a service that guards a resource and exchanges nothing."""
    made = make_agency_metadata(keys, client_name="Huisdienst", scope="", resource_server=True, resource=HUIS)
    return made | changes


def make_exchanger_metadata(keys: Any = SERVICE_KEYS, **changes: Any) -> dict[str, Any]:
    """RFC 7591 metadata of a service that guards a resource and goes on from there."""
    made = make_server_metadata(keys, grant_types=[EXCHANGE], exchange_targets=EVERYWHERE)
    return made | changes


async def insert_grant(
    session: Any, client_id: str, person_id: Any, held: Any, *, acts: Iterable[Act] = (), at: datetime, **changes: Any
) -> ActiveGrant:
    """Insert a sealed consent of this person for this client, without the consent page."""
    grant = {
        "id": uuid7(),
        "client_id": client_id,
        "person_id": person_id,
        "machtiging_id": held and held.id,
        "authorization_details": build_authorization_details(held and held.id, acts) if acts else [],
        "scope": "openid",
        "assurance": Assurance.SUBSTANTIAL.value,
        "authenticated_at": at,
        "created_at": at,
        "requested_claims": {},
    } | changes
    await session.execute(insert(table_of(OAuthGrant)), grant)
    await seal_rows(session, SEALED_GRANT)
    found = await queries.find_grant(session, grant["id"])
    assert found is not None
    return ActiveGrant(found, None if held is None else await load_authority(session, held.id))


@dataclass
class ExchangeChain:
    """The son and his reading app, and services that he may meet along the way."""

    oauth: Any
    app: App
    machtiging: Any

    async def register_server(self, **changes: Any) -> App:
        return await self.oauth.add(make_server_metadata(**changes), SERVICE_KEYS)

    async def register_exchanger(self, **changes: Any) -> App:
        return await self.oauth.add(make_exchanger_metadata(**changes), SERVICE_KEYS)

    async def issue_token(self, resource: str | None = HUIS, *, machtiging: Any = ..., **order: Any) -> str:
        """A token for the son's app, as if he had consented just now. `machtiging=None`: for his own box."""
        held = self.machtiging if machtiging is ... else machtiging
        at, issuer = self.oauth.clock.now(), build_issuer(self.oauth.service.state.services)
        acts = held.scope.acts if held else self.machtiging.scope.acts
        async with unit_of_work(self.oauth.sessions) as session:
            son = self.oauth.committed.people.son
            consented = await insert_grant(session, self.app.client_id, son, held, acts=acts, at=at)
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

    async def row(self, token: str) -> Any:
        """The token as it is written down."""
        async with unit_of_work(self.oauth.sessions) as session:
            return await ISSUED_TOKENS.read_one(session, id=read_claims(token)["jti"])


async def make_exchange_chain(oauth: Any) -> ExchangeChain:
    """Son, app and a machtiging; register the services that a test needs."""
    return ExchangeChain(oauth, await oauth.register_reading_app(), await oauth.grant_machtiging())


def assert_oauth_error(response: httpx.Response, error: str) -> None:
    """The RFC's error, and never a token."""
    assert (response.status_code, response.json()["error"]) == (400, error), response.text
    assert "access_token" not in response.json()


REFRESHING = ["authorization_code", "refresh_token"]


@dataclass
class RefreshTokenHolder:
    """One consent of one app: the son's, for his mother's box, or somebody's own."""

    oauth: OAuthWorld
    app: App
    machtiging: Any
    grant_id: GrantId
    access: str
    refresh_token: str

    async def refresh(self, token: str | None = None, **changes: Any) -> httpx.Response:
        """POST /token with this refresh token, or the first one."""
        form = {"grant_type": "refresh_token", "refresh_token": token or self.refresh_token}
        return await self.app.post("/token", form, **changes)

    async def refreshed(self, token: str | None = None, **changes: Any) -> dict[str, Any]:
        """The same, and it works."""
        response = await self.refresh(token, **changes)
        assert response.status_code == 200, response.text
        return response.json()

    async def active(self, token: str) -> bool:
        """Introspect the token as the app itself."""
        response = await self.app.post("/introspect", {"token": token})
        assert response.status_code == 200, response.text
        return response.json()["active"]

    async def change(self, verb: Callable[..., Awaitable[Any]]) -> None:
        """Mother pauses, resumes or revokes the machtiging."""
        async with unit_of_work(self.oauth.sessions) as session:
            giver = self.oauth.committed.people.mother
            await verb(session, self.machtiging.id, giver, at=self.oauth.clock.now())

    async def ended(self) -> str | None:
        """The reason that the grant ended; None if it has not."""
        return await GRANTS.read_value(self.oauth, "end_reason", id=self.grant_id)


async def update_rows(oauth: OAuthWorld, statement: str, **values: Any) -> None:
    """Change rows as the service does: sealed again."""
    async with unit_of_work(oauth.sessions) as session:
        await session.execute(text(statement), values)
        await seal_rows(session)


async def register_refreshing_app(oauth: OAuthWorld, **changes: Any) -> App:
    """A confidential app that registered for refresh tokens."""
    return await oauth.register_reading_app(grant_types=REFRESHING, **changes)


async def make_refresh_token_holder(
    oauth: OAuthWorld,
    app: App | None = None,
    machtiging: Any = None,
    *,
    own: bool = False,
    bound: TokenBinding = NO_BINDING,
) -> RefreshTokenHolder:
    """An app that has just redeemed its code."""
    app = app or await register_refreshing_app(oauth)
    held = None if own else machtiging or await oauth.grant_machtiging()
    grant_id, access, token = await _issue_tokens(oauth, app, held, own=own, bound=bound)
    return RefreshTokenHolder(oauth, app, held, grant_id, access, token or "")


async def _issue_tokens(
    oauth: OAuthWorld, app: App, held: Any, *, own: bool, bound: TokenBinding
) -> tuple[GrantId, str, str | None]:
    people, at = oauth.committed.people, oauth.clock.now()
    acts = frozenset(list_acts([{"actions": ["lijst", "lezen", "downloaden"]}]))
    async with unit_of_work(oauth.sessions) as session:
        person_id = people.mother if own else people.son
        consented = await insert_grant(session, app.client_id, person_id, held, acts=acts, at=at)
        client = await queries.find_active_client(session, app.client_id)
        assert client is not None
        issuer = build_issuer(oauth.service.state.services)
        access = (await issue_user_token(session, issuer, client, consented, at=at))["access_token"]
        token = build_refresh_token(client, consented, bound, resource=None, at=at)
        if token is not None:
            await insert_refresh_token(session, token)
        return consented.grant.id, access, token.text if token else None


async def set_grant_resource(holder: RefreshTokenHolder, resource: str) -> None:
    """As if the consent had been given for this service."""
    async with unit_of_work(holder.oauth.sessions) as session:
        change = text("UPDATE oauth_grant SET resource = :resource WHERE id = :id")
        await session.execute(change, {"resource": resource, "id": holder.grant_id})
        await seal_rows(session, SEALED_GRANT)


def open_oauth_world(portal: Any) -> OAuthWorld:
    """The authorization server of an assembled service (tests/builders/portal.py), for `make_refresh_token_holder`."""
    sessions = portal.app.state.services.sessions
    return OAuthWorld(SimpleNamespace(service=portal.app), sessions, portal.clock, portal.world)
