"""The web server of an app that receives logout tokens, and the service's sender."""

from __future__ import annotations

import asyncio
import functools
import re
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from machtiging.oauth.dependencies import build_issuer
from machtiging.oauth.openid.backchannel_logout import LogoutSender, build_post_form
from machtiging.web.outbound.http_client import OutboundHttpClient
from machtiging.web.outbound.ssrf_policy import SsrfPolicy
from machtiging.web.outbound.ssrf_transport import SsrfGuardTransport
from tests.builders.flow import (
    OAuthWorld,
)


@functools.cache
def _reserve_port(place: str) -> int:
    """A port that stays ours, also while nobody listens there.

    So apps have the same address in every test."""
    taken = _bind_port(0)
    port = int(taken.getsockname()[1])
    taken.detach()  # it is not closed as long as this process lives
    return port


def _bind_port(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    return made


@dataclass
class LogoutReceiver:
    """The web server of an app. It answers every POST with `status`, and records it.

    Of two at a time each has a `place` of its own.
    """

    place: str = ""
    status: int = 200
    came: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    silent: bool = False
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None

    async def open(self) -> LogoutReceiver:
        self._server = await asyncio.start_server(self._answer, sock=_bind_port(_reserve_port(self.place)))
        return self

    @property
    def uri(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/sessie-voorbij"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(re.search(r"content-length: (\d+)", head, re.I).group(1))
        self.came.append(dict(parse_qsl((await reader.readexactly(length)).decode())))
        self.paths.append(head.split(" ")[1])
        self.arrived.set()
        if self.silent:
            await self.over.wait()
        else:
            writer.write(
                b"HTTP/1.1 %d X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (self.status, self.uri.encode())
            )
            await writer.drain()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def close(self) -> None:
        assert self._server is not None
        self.over.set()
        self._server.close()
        await asyncio.sleep(0)


def make_logout_sender(oauth: OAuthWorld, **options: Any) -> LogoutSender:
    """The sender as the application runs it, reaching this machine as in practice."""
    outbound = OutboundHttpClient(SsrfGuardTransport(policy=SsrfPolicy(practice=True), **options))
    return LogoutSender(
        oauth.sessions, build_issuer(oauth.service.state.services), oauth.clock, build_post_form(outbound)
    )
