"""OpenID Connect as apps and browsers drive it: another login on the way, ID tokens checked with the published keys."""

from __future__ import annotations

import asyncio
import functools
import json
import re
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
from joserfc import jws
from joserfc.jwk import KeySet

from machtiging.oauth.dependencies import build_issuer
from machtiging.oauth.openid.backchannel_logout import LogoutSender, build_post_form
from machtiging.web.outbound.http_client import OutboundHttpClient
from machtiging.web.outbound.ssrf_policy import SsrfPolicy
from machtiging.web.outbound.ssrf_transport import SsrfGuardTransport
from tests.builders.black_box import query_of
from tests.builders.oauth import App, Flow, OAuthWorld, hidden_fields

LOW, SUBSTANTIAL, HIGH = (f"http://eidas.europa.eu/LoA/{level}" for level in ("low", "substantial", "high"))
AFTER = "https://app.voorbeeld.example/uitgelogd"
BACK = "https://app.voorbeeld.example/sessie-voorbij"


async def verified(oauth: OAuthWorld, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a JWT, under a key that stands at /jwks."""
    keys = KeySet.import_key_set((await oauth.connection().get("/jwks")).json())
    made = jws.deserialize_compact(token, keys, algorithms=["RS256", "PS256", "ES256"])
    return dict(made.headers()), json.loads(made.payload)


async def id_claims(oauth: OAuthWorld, tokens: dict[str, Any]) -> dict[str, Any]:
    return (await verified(oauth, tokens["id_token"]))[1]


async def who_is_it(oauth: OAuthWorld, app: App | None = None, persona: str = "naaste") -> Flow:
    """An app that only wants to know who somebody is, and that somebody, logged in a while ago."""
    flow = Flow(app or await oauth.reading_app(), await oauth.logged_in(persona), None)
    oauth.later(minutes=5)
    return flow


async def userinfo(oauth: OAuthWorld, access_token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {access_token}"}
    return await oauth.connection().get("/userinfo", headers=headers)


def answer_in(response: httpx.Response) -> dict[str, str]:
    """The parameters of the response at the redirect URI."""
    assert response.status_code == 303, response.text
    assert response.headers["location"].startswith("https://app.voorbeeld.example/"), response.headers["location"]
    return query_of(response.headers["location"])


async def log_in_again(flow: Flow, sent: httpx.Response, persona: str = "naaste", **at_broker: str) -> httpx.Response:
    """Follow the way to the login page, log in at the broker, and come back to the request."""
    assert sent.status_code == 303, sent.text
    assert sent.headers["location"].startswith("/inloggen?"), sent.headers["location"]
    to_broker = await flow.browser.get(sent.headers["location"] + "&" + urlencode({"login_hint": persona}))
    more = "&" + urlencode(at_broker) if at_broker else ""
    to_us = await flow.browser.get(to_broker.headers["location"] + more)
    back = await flow.browser.get(to_us.headers["location"])
    assert back.status_code == 303, back.text
    return await flow.browser.get(back.headers["location"])


async def agree_on(flow: Flow, page: httpx.Response) -> dict[str, str]:
    """Press yes on this consent page; what the app is told."""
    assert page.status_code == 200, (page.status_code, page.headers.get("location"), page.text)
    return answer_in(await flow.press(hidden_fields(page.text)))


def claims(**places: Any) -> str:
    return json.dumps(places)


@functools.cache
def _port(place: str) -> int:
    """A port that stays ours, also while nobody listens there: apps have the same address in every test, and so the
    ways to their tokens need not be walked again.
    """
    taken = _at(0)
    port = int(taken.getsockname()[1])
    taken.detach()  # it is not closed as long as this process lives
    return port


def _at(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    return made


@dataclass
class Receiver:
    """An app's own web server on this machine, that answers every POST with `status` and keeps what came.

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

    async def open(self) -> Receiver:
        self._server = await asyncio.start_server(self._answer, sock=_at(_port(self.place)))
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


def sender(oauth: OAuthWorld, **options: Any) -> LogoutSender:
    """The sender as the application runs it, reaching this machine as in practice."""
    outbound = OutboundHttpClient(SsrfGuardTransport(policy=SsrfPolicy(practice=True), **options))
    return LogoutSender(
        oauth.sessions, build_issuer(oauth.service.state.services), oauth.clock, build_post_form(outbound)
    )
