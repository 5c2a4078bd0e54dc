"""The floor: a minimal service that answers the same question with the same guarantees.

It verifies the token's signature (every time anew), selects the letter, writes the line with a commit, opens the
letter, and answers JSON. It knows no machtiging, no scope, no policy and no revocation. What we do on top has to fit in
as much time again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import uvicorn
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc import jws
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from machtiging.kernel.ids import uuid7

SCHEMA = """
CREATE TABLE floor_bericht (
    id uuid PRIMARY KEY, ontvanger_id uuid NOT NULL, afzender_oin text NOT NULL, dienst_code text NOT NULL,
    published_at timestamptz NOT NULL, received_at timestamptz NOT NULL, sealed bytea NOT NULL
);
CREATE TABLE floor_journal (LIKE journal_intake INCLUDING ALL);
GRANT SELECT ON floor_bericht TO machtiging_service;
GRANT INSERT ON floor_journal TO machtiging_service;
"""
_SELECT = (
    "SELECT ontvanger_id, afzender_oin, dienst_code, published_at, received_at, sealed FROM floor_bericht WHERE id = $1"
)
_INSERT = """INSERT INTO floor_journal
    (id, occurred_at, act, outcome, reason, actor_id, capacity, client_id, for_person_id, machtiging_id,
     object_kind, object_id, policy_digest, request_id, facts)
    VALUES ($1, $2, 'bericht:lezen', 'allowed', 'toegestaan', $3, 'relative', $4, $5, $6,
            'bericht', $7, $8, $9, '{}')"""
_NONCE = 12


def seal(key: bytes, content: str, bericht_id: str) -> bytes:
    """Seal a letter as it is stored in `floor_bericht`."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, content.encode(), bericht_id.encode())


def make_app(config: dict[str, Any]) -> Starlette:
    """The whole service."""
    keys = {key["kid"]: RSAKey.import_key(key) for key in config["jwks"]["keys"] if key["kty"] == "RSA"}
    cipher = AESGCM(bytes.fromhex(config["key"]))
    issuer, audience = config["issuer"], config["issuer"] + "/api/v1"

    def verified(token: str) -> dict[str, Any]:
        found = jws.deserialize_compact(token, lambda parts: keys[parts.headers()["kid"]], algorithms=["PS256"])
        claims: dict[str, Any] = json.loads(found.payload)
        if claims["iss"] != issuer or claims["aud"] != audience or claims["exp"] <= time.time():
            raise PermissionError("token")
        return claims

    async def read(request: Request) -> JSONResponse:
        claims = verified(request.headers["authorization"].removeprefix("Bearer "))
        bericht_id = request.path_params["bericht_id"]
        async with request.app.state.pool.acquire() as connection:
            row = await connection.fetchrow(_SELECT, UUID(bericht_id))
            line = (claims["client_id"], row[0], uuid7(), bericht_id, config["digest"], "request")
            await connection.execute(_INSERT, uuid7(), datetime.now(UTC), uuid7(), *line)
        sealed = memoryview(row[5])
        content = cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bericht_id.encode()).decode()
        told = {"berichtId": bericht_id, "afzender": row[1], "dienst": row[2], "inhoud": content}
        return JSONResponse(told | {"publicatietijdstip": row[3].isoformat(), "tijdstipOntvangst": row[4].isoformat()})

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async def keep_as_it_is(_: asyncpg.Connection) -> None:
            """asyncpg would send a reset after every use. SQLAlchemy does not, so neither does the floor."""

        pool = asyncpg.create_pool(config["database"], min_size=10, max_size=10, reset=keep_as_it_is)
        async with pool as app.state.pool:
            yield

    return Starlette(routes=[Route("/api/v1/berichten/{bericht_id}", read)], lifespan=lifespan)


def main() -> None:
    """One worker, as ours."""
    config = json.loads(Path(os.environ["BENCH_FLOOR"]).read_bytes())
    port = int(os.environ["BENCH_PORT"])
    app = make_app(config)
    uvicorn.run(
        app, host="127.0.0.1", port=port, loop="uvloop", http="httptools", log_level="warning", access_log=False
    )


if __name__ == "__main__":
    main()
