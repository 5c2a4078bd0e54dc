"""SSRF guard as a transport of httpx, for requests to URLs from others.

The guard checks every request that a client sends, also one after a redirect. It resolves the name once, checks every
resulting address, and connects to a checked address, so that DNS rebinding has no second resolution to abuse (TOCTOU).
Size and time are limited. Proxies, kept-alive connections and decompression are absent.

The pinned address stands in the URL of the inner request. The name stays in the `Host` header and, by the documented
extension `sni_hostname`, in SNI and in the verification of the certificate. A network backend of httpcore could connect
to a given address as well, but `httpx.AsyncHTTPTransport` accepts none: that way needs a private attribute.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address

import httpx

from machtiging.kernel.errors import MachtigingError
from machtiging.web.outbound.ssrf_policy import Address, SsrfPolicy, parse_resolved_address
from machtiging.web.outbound.tls import tls_context

MAX_RESPONSE_BYTES = 64 * 1024
OUTBOUND_TIMEOUT_SECONDS = 5.0
_MAX_ADDRESSES = 3
_DEFAULT_PORTS = {"https": 443, "http": 80}
HostResolver = Callable[[str, int], Awaitable[Sequence[str]]]


class OutboundRequestFailed(MachtigingError):
    """No response was obtained. `code`: adres_*, naam_onbekend, niet_bereikbaar, te_traag, antwoord_*."""

    code_is_key = False


@dataclass(frozen=True, slots=True)
class _OutboundTarget:
    scheme: str
    host: str
    port: int


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """Resolve a name to all its addresses with the system resolver. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


@dataclass(frozen=True)
class SsrfGuardTransport(httpx.AsyncBaseTransport):
    """Transport that sends a request only to an address that the policy allows.

    Stateless: every request opens its own connection. The response is read completely, within the limits. The timeout
    is for the whole request: name resolution, connection and body.
    """

    policy: SsrfPolicy = field(default_factory=SsrfPolicy)
    tls: ssl.SSLContext = field(default_factory=tls_context)
    timeout: float = OUTBOUND_TIMEOUT_SECONDS
    max_bytes: int = MAX_RESPONSE_BYTES
    resolve: HostResolver = resolve_host

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request. Raises OutboundRequestFailed."""
        target = _read_target(request.url)
        try:
            async with asyncio.timeout(self.timeout):
                addresses = await self._resolve_allowed_addresses(target)
                return await self._try_addresses(request, target, addresses)
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
        self, request: httpx.Request, target: _OutboundTarget, addresses: list[Address]
    ) -> httpx.Response:
        trouble = ""
        for address in addresses:
            try:
                return await self._send_to_address(request, target, address)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                trouble = type(error).__name__
            except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
                raise OutboundRequestFailed(
                    "niet_bereikbaar", private=f"{target.host}: {type(error).__name__}"
                ) from error
        raise OutboundRequestFailed("niet_bereikbaar", private=f"{target.host}: {trouble}")

    async def _send_to_address(
        self, request: httpx.Request, target: _OutboundTarget, address: Address
    ) -> httpx.Response:
        timeout = httpx.Timeout(self.timeout, connect=self.timeout / 2).as_dict()
        there = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
        headers = request.headers.copy()
        headers.update({"Host": request.url.netloc.decode("ascii"), "Accept-Encoding": "identity"})
        pinned = httpx.Request(
            request.method,
            f"{target.scheme}://{there}:{target.port}{request.url.raw_path.decode('ascii')}",
            headers=headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": target.host, "timeout": timeout},
        )
        async with httpx.AsyncHTTPTransport(verify=self.tls, trust_env=False) as wire:
            response = await wire.handle_async_request(pinned)
            try:
                body = await self._read_body(response)
            finally:
                await response.aclose()
        return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(body))

    async def _read_body(self, response: httpx.Response) -> bytes:
        if response.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
            raise OutboundRequestFailed("antwoord_ingepakt")  # a decompression bomb can expand a thousandfold
        body = bytearray()
        async for part in response.aiter_raw():
            body += part
            if len(body) > self.max_bytes:
                raise OutboundRequestFailed("antwoord_te_groot")
        return bytes(body)


def _read_target(url: httpx.URL) -> _OutboundTarget:
    """Read scheme, host and port. Raises OutboundRequestFailed `adres_vormfout` for another scheme, or credentials."""
    if url.scheme not in _DEFAULT_PORTS or not url.raw_host or url.userinfo:
        raise OutboundRequestFailed("adres_vormfout")
    port = _DEFAULT_PORTS[url.scheme] if url.port is None else url.port
    return _OutboundTarget(url.scheme, url.raw_host.decode("ascii"), port)
