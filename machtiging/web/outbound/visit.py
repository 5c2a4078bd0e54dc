"""HTTP client with SSRF protection for URLs from others: small GET and POST requests only.

Against DNS rebinding the name is resolved once, every resulting address is checked, and the connection goes to the
checked address, while TLS verifies the name. No redirects, proxies, cookies or kept-alive connections; size and time
are limited.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from urllib.parse import urlencode, urlsplit

import httpx

from machtiging.kernel.errors import MachtigingError
from machtiging.web.outbound.addresses import Address, Reach, address_from
from machtiging.web.tls import tls_context

LARGEST = 64 * 1024
PATIENCE = 5.0
_MOST_ADDRESSES = 3
_URL = re.compile(r"[!-\[\]-~]{1,2048}")  # printable ASCII without a backslash
_PORTS = {"https": 443, "http": 80}
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class NotVisited(MachtigingError):
    """No response was obtained. `code`: adres_*, naam_onbekend, niet_bereikbaar, te_traag, antwoord_*."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response of any status; redirects are returned, not followed."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class _Target:
    scheme: str
    host: str
    port: int
    path: str


async def resolved(host: str, port: int) -> Sequence[str]:
    """Resolve a name to all its addresses with the system resolver. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


@dataclass(frozen=True)
class Outbound:
    """SSRF-protected HTTP client with limits. Stateless: every request opens its own connection."""

    reach: Reach = field(default_factory=Reach)
    tls: ssl.SSLContext = field(default_factory=tls_context)
    patience: float = PATIENCE
    largest: int = LARGEST
    resolve: Resolve = resolved

    async def get(self, url: str, *, accept: str = "application/json") -> Answer:
        """Send a GET request. Raises OutboundRequestFailed."""
        return await self._visit("GET", url, {"Accept": accept}, None)

    async def post(self, url: str, form: Mapping[str, str]) -> Answer:
        """Send a form by POST. Raises OutboundRequestFailed."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self._visit("POST", url, headers, urlencode(form).encode())

    async def _visit(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        target = _target_of(url)
        try:
            async with asyncio.timeout(self.patience):
                addresses = await self._judged(target)
                return await self._first_that_answers(method, target, addresses, (headers, body))
        except TimeoutError as error:
            raise NotVisited("te_traag", private=target.host) from error

    async def _judged(self, target: _Target) -> list[Address]:
        """Resolve the name and check every address. One forbidden address refuses the whole request."""
        try:
            found = [address_from(text) for text in await self.resolve(target.host, target.port)]
        except (OSError, ValueError, UnicodeError) as error:
            raise NotVisited("naam_onbekend", private=target.host) from error
        if not found:
            raise NotVisited("naam_onbekend", private=target.host)
        for address in found:
            if not self.reach.admits(address) or (target.scheme == "http" and not self.reach.admits_http(address)):
                raise NotVisited("adres_niet_toegestaan", private=f"{target.host} is {address}")
            if not self.reach.admits_port(address, target.port):
                raise NotVisited("adres_niet_toegestaan", private=f"port {target.port} of {target.host}")
        return found[:_MOST_ADDRESSES]

    async def _first_that_answers(
        self, method: str, target: _Target, addresses: list[Address], content: tuple[Mapping[str, str], bytes | None]
    ) -> Answer:
        trouble = ""
        for address in addresses:
            try:
                return await self._exchange(method, target, address, content)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                trouble = type(error).__name__
            except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
                raise NotVisited("niet_bereikbaar", private=f"{target.host}: {type(error).__name__}") from error
        raise NotVisited("niet_bereikbaar", private=f"{target.host}: {trouble}")

    async def _exchange(
        self, method: str, target: _Target, address: Address, content: tuple[Mapping[str, str], bytes | None]
    ) -> Answer:
        there = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
        usual = target.port == _PORTS[target.scheme]
        headers = {**content[0], "Host": target.host if usual else f"{target.host}:{target.port}"}
        headers |= {"Accept-Encoding": "identity", "User-Agent": "machtiging"}
        url = f"{target.scheme}://{there}:{target.port}{target.path}"
        transport = httpx.AsyncHTTPTransport(verify=self.tls, trust_env=False)
        async with httpx.AsyncClient(
            transport=transport, trust_env=False, timeout=self.patience, follow_redirects=False
        ) as http:
            request = httpx.Request(
                method, url, headers=headers, content=content[1], extensions={"sni_hostname": target.host}
            )
            request.extensions["timeout"] = httpx.Timeout(self.patience, connect=self.patience / 2).as_dict()
            response = await http.send(request, stream=True)
            try:
                return await self._read(response)
            finally:
                await response.aclose()

    async def _read(self, response: httpx.Response) -> Answer:
        if response.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
            raise NotVisited("antwoord_ingepakt")  # a decompression bomb can expand a thousandfold
        body = bytearray()
        async for part in response.aiter_raw():
            body += part
            if len(body) > self.largest:
                raise NotVisited("antwoord_te_groot")
        return Answer(response.status_code, response.headers.get("content-type", ""), bytes(body))


def _target_of(url: str) -> _Target:
    """Parse a URL, refusing ambiguous ones. Raises OutboundRequestFailed `adres_vormfout`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise NotVisited("adres_vormfout") from error
    wrong = _URL.fullmatch(url) is None or parts.scheme not in _PORTS or not host or port == 0
    if wrong or "@" in parts.netloc or "#" in url or "%" in parts.netloc:
        raise NotVisited("adres_vormfout")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Target(parts.scheme, host, _PORTS[parts.scheme] if port is None else port, path)
