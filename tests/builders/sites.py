"""Sites of others on this machine: real sockets, real TLS under an authority of our own, and any answer you like."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from machtiging.web.outbound.http_client import OutboundHttpClient
from machtiging.web.outbound.ssrf_policy import SsrfPolicy
from machtiging.web.outbound.ssrf_transport import SsrfGuardTransport
from machtiging.web.tls import tls_context

LOOPBACK = ip_network("127.0.0.0/8")
NAME = "sleutels.voorbeeld.example"


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


def _certificate(subject: str, public: Any, issuer: tuple[x509.Name, Any], names: Sequence[str]) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer[0])
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer[1].public_key()), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
    else:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(issuer[1], hashes.SHA256())


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Authority:
    """A certificate authority that only its own file knows."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _name("Proefautoriteit")
        self._place = Path(tempfile.mkdtemp(prefix="machtiging-ca-"))
        made = _certificate("Proefautoriteit", self._key.public_key(), (self._subject, self._key), ())
        self.file = self._place / "ca.pem"
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def server_context(self, *names: str) -> ssl.SSLContext:
        """The TLS context of a server with these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _certificate(names[0], key.public_key(), (self._subject, self._key), names)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        both = self._place / f"{names[0]}.pem"
        both.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(both)
        return context


@functools.cache
def an_authority() -> Authority:
    """The same one each time."""
    return Authority()


def http(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def json_answer(document: Any) -> bytes:
    return http("200 OK", json.dumps(document).encode(), "Content-Type: application/jwk-set+json")


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
async def a_site(*names: str, tls: bool = True, **options: Any) -> AsyncIterator[Site]:
    """A server on a port of this machine, with a certificate of our authority for these names."""
    site = Site(**options)
    context = an_authority().server_context(*(names or (NAME,))) if tls else None
    server = await asyncio.start_server(site, "127.0.0.1", 0, ssl=context)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        site.over.set()
        server.close()


@dataclass
class Names:
    """A name service: which addresses a name has, one answer after the other; the last one stays."""

    answers: list[list[str]]
    asked: int = 0

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


def a_visitor(*addresses: str, **options: Any) -> OutboundHttpClient:
    """A client that trusts our authority and resolves every name to these addresses. It may go to loopback."""
    settings = {
        "policy": SsrfPolicy((LOOPBACK,)),
        "tls": tls_context(an_authority().file),
        "resolve": Names([list(addresses) or ["127.0.0.1"]]),
        "timeout": 3.0,
    }
    return OutboundHttpClient(SsrfGuardTransport(**{**settings, **options}))
