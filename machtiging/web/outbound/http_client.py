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
from machtiging.web.outbound.ssrf_policy import Address, SsrfPolicy, parse_resolved_address
from machtiging.web.tls import tls_context

MAX_RESPONSE_BYTES = 64 * 1024
OUTBOUND_TIMEOUT_SECONDS = 5.0
_MAX_ADDRESSES = 3
_URL = re.compile(r"[!-\[\]-~]{1,2048}")  # printable ASCII without a backslash
_DEFAULT_PORTS = {"https": 443, "http": 80}
HostResolver = Callable[[str, int], Awaitable[Sequence[str]]]


class OutboundRequestFailed(MachtigingError):
    """No response was obtained. `code`: adres_*, naam_onbekend, niet_bereikbaar, te_traag, antwoord_*."""


@dataclass(frozen=True, slots=True)
class OutboundResponse:
    """An HTTP response of any status; redirects are returned, not followed."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class _OutboundTarget:
    scheme: str
    host: str
    port: int
    path: str


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """Resolve a name to all its addresses with the system resolver. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


@dataclass(frozen=True)
class OutboundHttpClient:
    """SSRF-protected HTTP client with limits. Stateless: every request opens its own connection."""

    policy: SsrfPolicy = field(default_factory=SsrfPolicy)
    tls: ssl.SSLContext = field(default_factory=tls_context)
    timeout: float = OUTBOUND_TIMEOUT_SECONDS
    max_bytes: int = MAX_RESPONSE_BYTES
    resolve: HostResolver = resolve_host

    async def get(self, url: str, *, accept: str = "application/json") -> OutboundResponse:
        """Send a GET request. Raises OutboundRequestFailed."""
        return await self._request("GET", url, {"Accept": accept}, None)

    async def post(self, url: str, form: Mapping[str, str]) -> OutboundResponse:
        """Send a form by POST. Raises OutboundRequestFailed."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self._request("POST", url, headers, urlencode(form).encode())

    async def _request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> OutboundResponse:
        target = _parse_target(url)
        try:
            async with asyncio.timeout(self.timeout):
                addresses = await self._resolve_allowed_addresses(target)
                return await self._try_addresses(method, target, addresses, (headers, body))
        except TimeoutError as error:
            raise OutboundRequestFailed("te_traag", private=target.host) from error

    async def _resolve_allowed_addresses(self, target: _OutboundTarget) -> list[Address]:
        """Resolve the name and check every address. One forbidden address refuses the whole request."""
        try:
            found = [parse_resolved_address(text) for text in await self.resolve(target.host, target.port)]
        except (OSError, ValueError, UnicodeError) as error:
            raise OutboundRequestFailed("naam_onbekend", private=target.host) from error
        if not found:
            raise OutboundRequestFailed("naam_onbekend", private=target.host)
        for address in found:
            if not self.policy.allows_address(address) or (
                target.scheme == "http" and not self.policy.allows_http(address)
            ):
                raise OutboundRequestFailed("adres_niet_toegestaan", private=f"{target.host} is {address}")
            if not self.policy.allows_port(address, target.port):
                raise OutboundRequestFailed("adres_niet_toegestaan", private=f"port {target.port} of {target.host}")
        return found[:_MAX_ADDRESSES]

    async def _try_addresses(
        self,
        method: str,
        target: _OutboundTarget,
        addresses: list[Address],
        content: tuple[Mapping[str, str], bytes | None],
    ) -> OutboundResponse:
        trouble = ""
        for address in addresses:
            try:
                return await self._send_to_address(method, target, address, content)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                trouble = type(error).__name__
            except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
                raise OutboundRequestFailed(
                    "niet_bereikbaar", private=f"{target.host}: {type(error).__name__}"
                ) from error
        raise OutboundRequestFailed("niet_bereikbaar", private=f"{target.host}: {trouble}")

    async def _send_to_address(
        self, method: str, target: _OutboundTarget, address: Address, content: tuple[Mapping[str, str], bytes | None]
    ) -> OutboundResponse:
        there = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
        usual = target.port == _DEFAULT_PORTS[target.scheme]
        headers = {**content[0], "Host": target.host if usual else f"{target.host}:{target.port}"}
        headers |= {"Accept-Encoding": "identity", "User-Agent": "machtiging"}
        url = f"{target.scheme}://{there}:{target.port}{target.path}"
        transport = httpx.AsyncHTTPTransport(verify=self.tls, trust_env=False)
        async with httpx.AsyncClient(
            transport=transport, trust_env=False, timeout=self.timeout, follow_redirects=False
        ) as http:
            request = httpx.Request(
                method, url, headers=headers, content=content[1], extensions={"sni_hostname": target.host}
            )
            request.extensions["timeout"] = httpx.Timeout(self.timeout, connect=self.timeout / 2).as_dict()
            response = await http.send(request, stream=True)
            try:
                return await self._read_response(response)
            finally:
                await response.aclose()

    async def _read_response(self, response: httpx.Response) -> OutboundResponse:
        if response.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
            raise OutboundRequestFailed("antwoord_ingepakt")  # a decompression bomb can expand a thousandfold
        body = bytearray()
        async for part in response.aiter_raw():
            body += part
            if len(body) > self.max_bytes:
                raise OutboundRequestFailed("antwoord_te_groot")
        return OutboundResponse(response.status_code, response.headers.get("content-type", ""), bytes(body))


def _parse_target(url: str) -> _OutboundTarget:
    """Parse a URL, refusing ambiguous ones. Raises OutboundRequestFailed `adres_vormfout`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise OutboundRequestFailed("adres_vormfout") from error
    wrong = _URL.fullmatch(url) is None or parts.scheme not in _DEFAULT_PORTS or not host or port == 0
    if wrong or "@" in parts.netloc or "#" in url or "%" in parts.netloc:
        raise OutboundRequestFailed("adres_vormfout")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _OutboundTarget(parts.scheme, host, _DEFAULT_PORTS[parts.scheme] if port is None else port, path)
