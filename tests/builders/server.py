"""Real servers on this machine. Our service under uvicorn, and sites of others with any answer."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import socket
import ssl
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from cryptography.hazmat.primitives import serialization
from uvicorn.server import ServerState

from machtiging.agencies.catalogue import upsert_catalogue
from machtiging.app import create_app
from machtiging.cli.processes.servers import _build_config, bind_socket, run_servers
from machtiging.identity.people import find_or_create_by_bsn
from machtiging.kernel.bsn import Bsn
from machtiging.settings import Environment, Settings
from machtiging.web.outbound.http_client import OutboundHttpClient
from machtiging.web.outbound.ssrf_policy import SsrfPolicy
from machtiging.web.outbound.ssrf_transport import SsrfGuardTransport
from machtiging.web.outbound.tls import tls_context
from tests.builders.applications import API_ISSUER, POLICIES
from tests.builders.keys import make_certificate, make_key_directory
from tests.builders.letters import CITIZEN, HELPER, BerichtenboxWorld
from tests.builders.people import BROKER

LOOPBACK = ip_network("127.0.0.0/8")
SITE_NAME = "sleutels.voorbeeld.example"


class CertificateAuthority:
    """A certificate authority that only its own file knows."""

    def __init__(self) -> None:
        self._root = make_certificate("CN=Proefautoriteit", authority=True, at=datetime.now(UTC))
        self._directory = Path(tempfile.mkdtemp(prefix="machtiging-ca-"))
        self.file = self._directory / "ca.pem"
        self.file.write_bytes(self._root.pem)

    def server_context(self, *names: str) -> ssl.SSLContext:
        """The TLS context of a server with a certificate for these names and addresses."""
        sans = [("ip" if name[0].isdigit() else "dns", name) for name in names]
        made = make_certificate(f"CN={names[0]}", by=self._root, sans=sans, usage=None, at=datetime.now(UTC))
        private = made.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file = self._directory / f"{names[0]}.pem"
        file.write_bytes(private + made.pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@functools.cache
def make_certificate_authority() -> CertificateAuthority:
    """The same one each time."""
    return CertificateAuthority()


def make_http_response(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def make_json_response(document: Any) -> bytes:
    return make_http_response("200 OK", json.dumps(document).encode(), "Content-Type: application/jwk-set+json")


@dataclass
class Site:
    """A server: what it says is `answer`, and when it is `silent` not before `over`. It remembers what it was asked."""

    port: int = 0
    answer: bytes = b""
    silent: bool = False
    pieces: float = 0.0
    asked: list[str] = field(default_factory=list)
    connections: int = 0
    called: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(
                (int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length")), 0
            )
            self.called.set()
            self.asked.append(head + (await reader.readexactly(length)).decode())
            if self.silent:
                await self.over.wait()
            for piece in [self.answer] if not self.pieces else [bytes([one]) for one in self.answer]:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(self.pieces)
        writer.transport.abort() if self.silent or self.pieces else writer.close()


@contextlib.asynccontextmanager
async def serve_site(*names: str, tls: bool = True, **options: Any) -> AsyncIterator[Site]:
    """A server on this machine, with a certificate of our authority for these names."""
    site = Site(**options)
    context = make_certificate_authority().server_context(*(names or (SITE_NAME,))) if tls else None
    server = await asyncio.start_server(site, "127.0.0.1", 0, ssl=context)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        site.over.set()
        server.close()


@dataclass
class NameService:
    """A name service. Which addresses a name has, one answer after the other; the last one stays."""

    answers: list[list[str]]
    asked: int = 0

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


def make_outbound_client(*addresses: str, **options: Any) -> OutboundHttpClient:
    """A client that trusts our authority and resolves every name to these addresses. It may go to loopback."""
    settings = {
        "policy": SsrfPolicy((LOOPBACK,)),
        "tls": tls_context(make_certificate_authority().file),
        "resolve": NameService([list(addresses) or ["127.0.0.1"]]),
        "timeout": 3.0,
    }
    return OutboundHttpClient(SsrfGuardTransport(**{**settings, **options}))


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class ServerWire(ABC):
    """A way to say bytes to an application. What its server keeps of connections and requests."""

    state: ServerState

    @abstractmethod
    async def connect(self) -> Ends:
        """A connection of one's own."""

    async def at_rest(self) -> None:
        """Until every connection is closed and every request has come to its end."""
        async with asyncio.timeout(60):
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
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", headers=given, trust_env=False, timeout=60)


@dataclass
class OnPairs(ServerWire):
    """One application behind the HTTP protocol of a real server, without the server.

    Each connection is a pair of sockets. The protocol has the other end."""

    config: uvicorn.Config

    async def connect(self) -> Ends:
        mine, its = socket.socketpair()
        await asyncio.get_running_loop().connect_accepted_socket(self._reader, its)
        return await asyncio.open_connection(sock=mine)

    def _reader(self) -> asyncio.Protocol:
        read_by = self.config.http_protocol_class
        return read_by(config=self.config, server_state=self.state, app_state={})


def serve_socket_pairs(app: Any, **changes: Any) -> OnPairs:
    """With what `machtiging serve` tells its server, but for these changes."""
    config = _build_config(app)
    vars(config).update(changes)
    config.load()
    return OnPairs(ServerState(), config)


@contextlib.asynccontextmanager
async def serve_application(app: Any) -> AsyncIterator[Served]:
    """Serve an application as `machtiging serve` does."""
    taken = bind_socket("127.0.0.1", 0)
    async with run_servers((app, taken)) as servers:
        yield Served(servers.servers[0].server_state, taken.getsockname()[1])


async def make_full_application_world(url: str, clock: Any, place: Path, **changes: Any) -> BerichtenboxWorld:
    """Everything that `create_app` joins, on the database at this URL. With a citizen, a helper and the catalogue."""
    settings = Settings(
        **{
            "env": Environment.TEST,
            "issuer": API_ISSUER,
            "broker_issuer": BROKER,
            "database_url": url,
            "database_pool_size": 4,
            "keys_dir": make_key_directory(place / "keys"),
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
