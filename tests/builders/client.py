"""Clients of ours: keys, metadata, assertions, registration."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
from joserfc.jwk import ECKey, RSAKey

from machtiging.kernel.clock import Clock
from machtiging.oauth.invitations import initial_access_token
from machtiging.oauth.queries import list_oauth_clients
from machtiging.oauth.registration.approval import approve_client, digest_registration
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import make_rsa_key, sign_jws
from tests.builders.messages import ASSERTION_TYPE
from tests.builders.people import ISSUER

if TYPE_CHECKING:
    from tests.builders.flow import OAuthWorld

REDIRECT = "https://app.voorbeeld.example/terug"
AUDIENCE = ISSUER + "/api/v1"


@dataclass(frozen=True)
class ClientKeys:
    """A client's key pair; `jwks` is what it registers."""

    private: ECKey | RSAKey
    alg: str

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [{**self.private.as_dict(private=False), "kid": "app-1", "use": "sig", "alg": self.alg}]}


def make_client_keys(alg: str = "ES256") -> ClientKeys:
    """A fresh pair, or the one RSA key of this process."""
    return ClientKeys(ECKey.generate_key("P-256") if alg == "ES256" else make_rsa_key(2048), alg)


def make_client_assertion(keys: ClientKeys, client_id: str, clock: Clock, **changes: Any) -> str:
    """A client assertion. `header` changes header members; other changes are claims; None leaves one out."""
    now = int(clock.now().timestamp())
    header = {"alg": keys.alg, "kid": "app-1", "typ": "JWT"} | changes.pop("header", {})
    claims = {"iss": client_id, "sub": client_id, "aud": ISSUER, "iat": now, "exp": now + 60}
    claims |= {"jti": secrets.token_urlsafe(16)} | changes
    return sign_jws(
        {name: value for name, value in header.items() if value is not None},
        {name: value for name, value in claims.items() if value is not None},
        keys.private,
    )


def make_app_metadata(keys: ClientKeys | None, **changes: Any) -> dict[str, Any]:
    """RFC 7591 metadata of a reading app; without keys a public one."""
    metadata: dict[str, Any] = {
        "client_name": "Leesapp",
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code"],
        "token_endpoint_auth_method": "private_key_jwt" if keys else "none",
        "scope": "openid",
    }
    if keys:
        metadata["jwks"] = keys.jwks
    return metadata | changes


def make_agency_metadata(keys: ClientKeys, **changes: Any) -> dict[str, Any]:
    """RFC 7591 metadata of an agency's sending system."""
    metadata = {
        "client_name": "Postkamer",
        "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": "aanleveringen:schrijven",
        "jwks": keys.jwks,
    }
    return metadata | changes


def make_authorization_details(machtiging_id: object | None = None, *actions: str, **changes: Any) -> str:
    """authorization_details for a machtiging (None: the own box)."""
    one: dict[str, Any] = {"type": "berichtenbox"}
    if machtiging_id is not None:
        one["machtiging"] = str(machtiging_id)
    if actions:
        one["actions"] = list(actions)
    return json.dumps([one | changes])


@dataclass
class App:
    """One registered client and its HTTP connection. Each call authenticates afresh."""

    client_id: str
    keys: ClientKeys | None
    http: httpx.AsyncClient
    clock: Clock
    registration: dict[str, Any]

    def credentials(self) -> dict[str, str]:
        if self.keys is None:
            return {"client_id": self.client_id}
        proof = make_client_assertion(self.keys, self.client_id, self.clock)
        return {"client_id": self.client_id, "client_assertion_type": ASSERTION_TYPE, "client_assertion": proof}

    async def post(self, path: str, form: Mapping[str, Any] | None = None, **changes: Any) -> httpx.Response:
        """Post a form with credentials; a change of None leaves a parameter out."""
        merged = {**self.credentials(), **(form or {}), **changes}
        return await self.http.post(path, data={name: value for name, value in merged.items() if value is not None})

    async def raw(self, path: str, pairs: list[tuple[str, str]]) -> httpx.Response:
        """Post exactly these pairs."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self.http.post(path, content=urlencode(pairs), headers=headers)


def make_bearer_header(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def create_invitation(oauth: OAuthWorld, uses: int = 1, **lives: float) -> str:
    """An initial access token."""
    async with unit_of_work(oauth.sessions) as session:
        lives_for = timedelta(**(lives or {"days": 7}))
        return await initial_access_token.create_invitation(
            session, "Proef", uses=uses, lifetime=lives_for, at=oauth.clock.now()
        )


async def post_registration(oauth: OAuthWorld, token: str, metadata: Any, **options: Any) -> httpx.Response:
    return await oauth.connection().post("/register", json=metadata, headers=make_bearer_header(token), **options)


async def approve_program(oauth: OAuthWorld, client_id: str, seen: str | None = None) -> None:
    """Approved, as it is now or as it was `seen` before."""
    async with unit_of_work(oauth.sessions) as session:
        await approve_client(session, client_id, seen or await digest_program(oauth, client_id), at=oauth.clock.now())


async def digest_program(oauth: OAuthWorld, client_id: str) -> str:
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
        headers = make_bearer_header(self.token if token is None else token)
        return await self.app.http.request(method, self.place, headers=headers, **options)

    async def put(self, **changes: Any) -> httpx.Response:
        """Another registration in the place of this one. A change of None leaves a member out."""
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


async def register_program(oauth: OAuthWorld, keys: ClientKeys | None = None, **changes: Any) -> Program:
    """A client that has just registered itself, as the service allows it."""
    pair = keys or make_client_keys()
    metadata = {name: value for name, value in make_app_metadata(pair, **changes).items() if value is not None}
    answer = await post_registration(oauth, await create_invitation(oauth), metadata)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    app = App(made["client_id"], pair, oauth.connection(), oauth.clock, made)
    return Program(oauth, app, made["registration_access_token"])


async def register_approved_program(oauth: OAuthWorld) -> Program:
    """One that registered itself and was let in."""
    made = await register_program(oauth)
    await approve_program(oauth, made.client_id)
    return made
