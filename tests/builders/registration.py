"""Programs that register themselves: an invitation, a registration, and what to do with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from machtiging.oauth.invitations import initial_access_token
from machtiging.oauth.queries import list_oauth_clients
from machtiging.oauth.registration.approval import approve_client, digest_registration
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.clients import ClientKeys, code_client, make_client_keys
from tests.builders.oauth import App, OAuthWorld


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def an_invitation(oauth: OAuthWorld, uses: int = 1, **lives: float) -> str:
    """An initial access token."""
    async with unit_of_work(oauth.sessions) as session:
        lives_for = timedelta(**(lives or {"days": 7}))
        return await initial_access_token.create_invitation(
            session, "Proef", uses=uses, lifetime=lives_for, at=oauth.clock.now()
        )


async def register(oauth: OAuthWorld, token: str, metadata: Any, **options: Any) -> httpx.Response:
    return await oauth.connection().post("/register", json=metadata, headers=bearer(token), **options)


async def approved(oauth: OAuthWorld, client_id: str, seen: str | None = None) -> None:
    """Approved, as it is now or as it was `seen` before."""
    async with unit_of_work(oauth.sessions) as session:
        await approve_client(session, client_id, seen or await looked_at(oauth, client_id), at=oauth.clock.now())


async def looked_at(oauth: OAuthWorld, client_id: str) -> str:
    async with unit_of_work(oauth.sessions) as session:
        known = {row.client_id: row.registration for row in await list_oauth_clients(session)}
    return digest_registration(known.get(client_id, {}))


@dataclass
class Program:
    """A client that registered itself, with the token for its registration."""

    oauth: OAuthWorld
    app: App
    token: str

    @property
    def client_id(self) -> str:
        return self.app.client_id

    @property
    def place(self) -> str:
        return f"/register/{self.client_id}"

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata that it may send back in a PUT (RFC 7592 2.2)."""
        not_said = {"registration_access_token", "registration_client_uri", "client_id_issued_at"}
        return {name: value for name, value in self.app.registration.items() if name not in not_said}

    async def ask(self, method: str, token: str | None = None, **options: Any) -> httpx.Response:
        headers = bearer(self.token if token is None else token)
        return await self.app.http.request(method, self.place, headers=headers, **options)

    async def put(self, **changes: Any) -> httpx.Response:
        """Another registration in the place of this one; a change of None leaves a member out."""
        whole = {name: value for name, value in (self.metadata | changes).items() if value is not None}
        answer = await self.ask("PUT", json=whole)
        if answer.status_code == 200:
            self.token = answer.json()["registration_access_token"]
        return answer

    async def works(self) -> bool:
        """Tell if the authorization server knows the client: it answers a revocation."""
        answer = await self.app.post("/revoke", {"token": "x"})
        assert answer.status_code in (200, 401), answer.text
        return answer.status_code == 200


async def a_program(oauth: OAuthWorld, keys: ClientKeys | None = None, **changes: Any) -> Program:
    """A client that has just registered itself, as the service is set up to take it."""
    pair = keys or make_client_keys()
    metadata = {name: value for name, value in code_client(pair, **changes).items() if value is not None}
    answer = await register(oauth, await an_invitation(oauth), metadata)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    app = App(made["client_id"], pair, oauth.connection(), oauth.clock, made)
    return Program(oauth, app, made["registration_access_token"])


async def an_approved_program(oauth: OAuthWorld) -> Program:
    """One that registered itself and was let in."""
    made = await a_program(oauth)
    await approved(oauth, made.client_id)
    return made
