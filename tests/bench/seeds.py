"""Codes and refresh tokens to redeem, inserted in each server's storage before it is measured."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets as random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from typing import Any
from uuid import UUID

import httpx

from machtiging.berichtenbox.authorization_details.rules import build_authorization_details
from machtiging.crypto import secrets
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.oauth.tables import SEALED_CODE, SEALED_GRANT, SEALED_REFRESH_TOKEN
from machtiging.storage.unit_of_work import unit_of_work
from tests.bench.world import READING, BenchWorld, Holding, as_owner, sessions_of
from tests.builders.database import seal_rows

REDIRECT = "https://bench.voorbeeld.example/terug"
VERIFIER = "bench-verifier-of-a-sufficient-length-0123456789"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
NONCE = "bench-nonce-0123456789abcdef"
_GRANT = """INSERT INTO oauth_grant (id, client_id, person_id, authorization_details, scope, assurance,
    authenticated_at, created_at, requested_claims, machtiging_id, organisation_kvk)
    VALUES ($1, $2, $3, $5, 'openid', 'substantieel', $4, $4, '{}', $6, $7)"""
_CODE = """INSERT INTO authorization_code (code_hash, client_id, grant_id, redirect_uri, scope, nonce, code_challenge,
    created_at, expires_at) VALUES ($1, $2, $3, $4, 'openid', $5, $6, $7, $8)"""
_REFRESH = """INSERT INTO refresh_token (token_hash, grant_id, client_id, created_at, expires_at, jkt, organisation_kvk)
    VALUES ($1, $2, $3, $4, $5, $6, $7)"""


@dataclass(frozen=True)
class OurSeeds:
    """Rows in our database: what the authorization endpoint would have written."""

    world: BenchWorld
    person_id: UUID

    async def codes(self, client_id: str, count: int) -> list[str]:
        """Codes that wait, each with a consent of its own."""
        values = [random.token_urlsafe(32) for _ in range(count)]
        at = datetime.now(UTC)
        grants = await self._grants(client_id, [self._own_login] * count, at)
        until = at + timedelta(seconds=60)
        rows = [
            (secrets.sha256_digest(value), client_id, grant, REDIRECT, NONCE, CHALLENGE, at, until)
            for value, grant in zip(values, grants, strict=True)
        ]
        async with as_owner(self.world.url) as connection:
            await connection.executemany(_CODE, rows)
        await self._seal()
        return values

    async def refresh_tokens(
        self, client_id: str, count: int, jkt: str | None, holdings: Sequence[Holding] = ()
    ) -> list[str]:
        """Refresh tokens that wait, each of a family of its own. For these machtigingen in turn, if any."""
        values = [random.token_urlsafe(32) for _ in range(count)]
        at = datetime.now(UTC)
        holders = list(islice(cycle(holdings or [self._own_login]), count))
        grants = await self._grants(client_id, holders, at)
        until = at + timedelta(hours=6)
        rows = [
            (secrets.sha256_digest(value), grant, client_id, at, until, jkt, holder.organisation_kvk)
            for value, grant, holder in zip(values, grants, holders, strict=True)
        ]
        async with as_owner(self.world.url) as connection:
            await connection.executemany(_REFRESH, rows)
        await self._seal()
        return values

    async def _seal(self) -> None:
        async with sessions_of(self.world.url, self.world.keyring) as sessions, unit_of_work(sessions) as session:
            await seal_rows(session, SEALED_GRANT, SEALED_CODE, SEALED_REFRESH_TOKEN)

    @property
    def _own_login(self) -> Holding:
        """A login that acts for nobody."""
        return Holding(PersonId(self.person_id), None, None)

    async def _grants(self, client_id: str, holders: Sequence[Holding], at: datetime) -> list[UUID]:
        rows = [
            (
                uuid7(),
                client_id,
                holder.person_id,
                at,
                json.dumps(build_authorization_details(holder.machtiging_id, READING) if holder.machtiging_id else []),
                holder.machtiging_id,
                holder.organisation_kvk,
            )
            for holder in holders
        ]
        async with as_owner(self.world.url) as connection:
            await connection.executemany(_GRANT, rows)
        return [row[0] for row in rows]


@dataclass(frozen=True)
class PeerSeeds:
    """The same in the peer's memory, by an address that only the measurement knows."""

    port: int

    async def codes(self, client_id: str, count: int) -> list[str]:
        """Codes that wait."""
        return await self._ask({"kind": "code", "client_id": client_id, "count": count, **self._request()})

    async def refresh_tokens(self, client_id: str, count: int, jkt: str | None) -> list[str]:
        """Refresh tokens that wait."""
        asked = {"kind": "refresh", "client_id": client_id, "count": count, "jkt": jkt, **self._request()}
        return await self._ask(asked)

    def _request(self) -> dict[str, str]:
        return {"redirect_uri": REDIRECT, "challenge": CHALLENGE, "nonce": NONCE}

    async def _ask(self, what: dict[str, Any]) -> list[str]:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}") as client:
            answer = await client.post("/seed", json=what)
        answer.raise_for_status()
        return list(answer.json())
