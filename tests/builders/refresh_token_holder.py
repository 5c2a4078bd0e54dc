"""An app with a consent and a refresh token, made with our own verbs: no login page has to be walked for it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import httpx
from sqlalchemy import text

from machtiging.access.sender_constraint.binding import NO_BINDING, TokenBinding
from machtiging.kernel.ids import GrantId, uuid7
from machtiging.oauth import queries
from machtiging.oauth.dependencies import build_issuer
from machtiging.oauth.refresh.issuance import build_refresh_token, insert_refresh_token
from machtiging.oauth.rules import build_authorization_details, extract_acts
from machtiging.oauth.tables import SEALED_GRANT
from machtiging.oauth.token_issuance import ActiveGrant, issue_user_token
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.oauth import App, OAuthWorld
from tests.builders.sealing import seal_rows

REFRESHING = ["authorization_code", "refresh_token"]
CONSENT = """
INSERT INTO oauth_grant (id, client_id, person_id, machtiging_id, authorization_details, scope, assurance,
                         authenticated_at, created_at)
VALUES (:id, :client, :who, :held, :details, :scope, 'substantieel', :at, :at)
"""


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
        return await one(self.oauth, "SELECT end_reason FROM oauth_grant WHERE id = :id", id=self.grant_id)


async def one(oauth: OAuthWorld, statement: str, **values: Any) -> Any:
    """The one value that this asks of the database."""
    async with unit_of_work(oauth.sessions) as session:
        found = await session.scalar(text(statement), values)
        if not statement.lstrip().startswith("SELECT"):
            await seal_rows(session)
        return found


async def refreshing_app(oauth: OAuthWorld, **changes: Any) -> App:
    """A confidential app that registered for refresh tokens."""
    return await oauth.reading_app(grant_types=REFRESHING, **changes)


async def a_holder(
    oauth: OAuthWorld,
    app: App | None = None,
    machtiging: Any = None,
    *,
    own: bool = False,
    bound: TokenBinding = NO_BINDING,
) -> RefreshTokenHolder:
    """An app that has just redeemed its code."""
    app = app or await refreshing_app(oauth)
    held = None if own else machtiging or await oauth.machtiging()
    grant_id, access, token = await _handed_out(oauth, app, held, own=own, bound=bound)
    return RefreshTokenHolder(oauth, app, held, grant_id, access, token or "")


async def _handed_out(
    oauth: OAuthWorld, app: App, held: Any, *, own: bool, bound: TokenBinding
) -> tuple[GrantId, str, str | None]:
    people, at, grant_id = oauth.committed.people, oauth.clock.now(), GrantId(uuid7())
    details = build_authorization_details(
        held.id if held else None, extract_acts([{"actions": ["lijst", "lezen", "downloaden"]}])
    )
    row = {"id": grant_id, "client": app.client_id, "who": people.mother if own else people.son}
    row |= {"held": held.id if held else None, "details": json.dumps(details), "scope": "openid", "at": at}
    async with unit_of_work(oauth.sessions) as session:
        await session.execute(text(CONSENT), row)
        await seal_rows(session, SEALED_GRANT)
        grant, client = (
            await queries.find_grant(session, grant_id),
            await queries.find_active_client(session, app.client_id),
        )
        assert grant is not None
        assert client is not None
        consented = ActiveGrant(replace(grant, authorization_details=details), held)
        issuer = build_issuer(oauth.service.state.services)
        access = (await issue_user_token(session, issuer, client, consented, at=at))["access_token"]
        token = build_refresh_token(client, consented, bound, resource=None, at=at)
        if token is not None:
            await insert_refresh_token(session, token)
        return grant_id, access, token.text if token else None


async def given_for(holder: RefreshTokenHolder, resource: str) -> None:
    """As if the consent had been given for this service."""
    async with unit_of_work(holder.oauth.sessions) as session:
        change = text("UPDATE oauth_grant SET resource = :resource WHERE id = :id")
        await session.execute(change, {"resource": resource, "id": holder.grant_id})
        await seal_rows(session, SEALED_GRANT)


def oauth_in(portal: Any) -> OAuthWorld:
    """The authorization server of an assembled service (tests/builders/portal.py), for `a_holder`."""
    sessions = portal.app.state.services.sessions
    return OAuthWorld(SimpleNamespace(service=portal.app), sessions, portal.clock, portal.world)
