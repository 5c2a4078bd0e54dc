"""The service as it is really served: uvicorn on a port of this machine, and sockets that say exactly what we want."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from uvicorn.server import ServerState

from machtiging.agencies.catalogue import upsert_catalogue
from machtiging.app import create_app
from machtiging.cli.processes.servers import _build_config, bind_socket, run_servers
from machtiging.identity.people import find_or_create_by_bsn
from machtiging.kernel.bsn import Bsn
from machtiging.settings import Environment, Settings
from tests.builders.access import POLICIES
from tests.builders.berichtenbox import CITIZEN, HELPER, ISSUER, BerichtenboxWorld
from tests.builders.crypto import a_key_directory
from tests.builders.login import BROKER

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class ServerWire(ABC):
    """A way to say bytes to an application; what its server keeps of connections and requests."""

    state: ServerState

    @abstractmethod
    async def connect(self) -> Ends:
        """A connection of one's own."""

    async def at_rest(self) -> None:
        """Until every connection is closed and every request has come to its end."""
        async with asyncio.timeout(20):
            while self.state.connections or self.state.tasks:  # noqa: ASYNC110
                await asyncio.sleep(0)

    async def say(self, *pieces: bytes, cut: bool = False, patience: float = 5) -> bytes:
        """Send these bytes; give back everything until the server closes, or `patience` is over. `cut`: hang up."""
        reader, writer = await self.connect()
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


@dataclass
class Served(ServerWire):
    """One application behind a real server."""

    port: int

    async def connect(self) -> Ends:
        return await asyncio.open_connection("127.0.0.1", self.port)

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        """Somebody who asks over the network."""
        given = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", headers=given, trust_env=False, timeout=20)


@dataclass
class OnPairs(ServerWire):
    """One application behind what reads the bytes in a real server, without the server: each connection is a pair of
    sockets of which that has the other end.
    """

    config: uvicorn.Config

    async def connect(self) -> Ends:
        mine, its = socket.socketpair()
        await asyncio.get_running_loop().connect_accepted_socket(self._reader, its)
        return await asyncio.open_connection(sock=mine)

    def _reader(self) -> asyncio.Protocol:
        read_by = self.config.http_protocol_class
        return read_by(config=self.config, server_state=self.state, app_state={})


def on_pairs(app: Any, **changes: Any) -> OnPairs:
    """With what `machtiging serve` tells its server, but for these changes."""
    config = _build_config(app)
    vars(config).update(changes)
    config.load()
    return OnPairs(ServerState(), config)


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncIterator[Served]:
    """Serve an application as `machtiging serve` does."""
    taken = bind_socket("127.0.0.1", 0)
    async with run_servers((app, taken)) as servers:
        yield Served(servers.servers[0].server_state, taken.getsockname()[1])


async def an_assembled_world(url: str, clock: Any, place: Path, **changes: Any) -> BerichtenboxWorld:
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
    services = app.state.services
    async with services.sessions.begin() as session:
        await upsert_catalogue(session)
        citizen = await find_or_create_by_bsn(session, services.keyring, Bsn(CITIZEN), at=clock.now())
        helper = await find_or_create_by_bsn(session, services.keyring, Bsn(HELPER), at=clock.now())
    return BerichtenboxWorld(app, services.sessions, clock, services.keyring, services.policy, citizen, helper)
