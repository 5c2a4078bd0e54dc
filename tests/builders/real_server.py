"""The service as it is really served: uvicorn on a port of this machine, and sockets that say exactly what we want."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from machtiging.agencies.catalogue import load_catalogue
from machtiging.app import create_app
from machtiging.cli.servers import listen, serving
from machtiging.identity.people import find_or_create_by_bsn
from machtiging.kernel.bsn import Bsn
from machtiging.settings import Environment, Settings
from tests.builders.access import POLICIES
from tests.builders.berichtenbox import CITIZEN, HELPER, ISSUER, World
from tests.builders.crypto import a_key_directory
from tests.builders.login import BROKER


@dataclass
class Served:
    """One application behind a real server."""

    port: int

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        """Somebody who asks over the network."""
        given = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", headers=given, trust_env=False, timeout=20)

    async def say(self, *pieces: bytes, cut: bool = False, patience: float = 5) -> bytes:
        """Send these bytes; give back everything until the server closes, or `patience` is over. `cut`: hang up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        answer = bytearray()
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if not cut:
                async with asyncio.timeout(patience):
                    while piece := await reader.read(65536):
                        answer += piece
        except (ConnectionError, TimeoutError):
            pass  # what came before that is the answer
        finally:
            writer.transport.abort()
        return bytes(answer)


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncIterator[Served]:
    """Serve an application as `machtiging serve` does."""
    taken = listen("127.0.0.1", 0)
    async with serving((app, taken)):
        yield Served(taken.getsockname()[1])


async def an_assembled_world(url: str, clock: Any, place: Path, **changes: Any) -> World:
    """Everything that `create_app` joins, on the database at this URL; with a citizen, a helper and the catalogue."""
    settings = Settings(
        **{
            "env": Environment.TEST,
            "issuer": ISSUER,
            "broker_issuer": BROKER,
            "database_url": url,
            "database_pool_size": 4,
            "keys_dir": a_key_directory(place / "keys"),
            "policies_dir": POLICIES,
            "smtp_port": 1,
            **changes,
        }
    )
    app = create_app(settings, clock=clock)
    state = app.state
    async with state.sessions.begin() as session:
        await load_catalogue(session)
        citizen = await find_or_create_by_bsn(session, state.keyring, Bsn(CITIZEN), at=clock.now())
        helper = await find_or_create_by_bsn(session, state.keyring, Bsn(HELPER), at=clock.now())
    return World(app, state.sessions, clock, state.keyring, state.policy, citizen, helper)
