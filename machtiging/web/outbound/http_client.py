"""HTTP client for URLs from others: small GET and POST requests through the SSRF guard.

Redirects are returned, not followed. No cookies, and nothing from the environment. Each request carries the trace of
the request that it is made for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

import httpx

from machtiging.web import correlation_ids
from machtiging.web.outbound.ssrf_transport import OutboundRequestFailed, SsrfGuardTransport

__all__ = ["OutboundHttpClient", "OutboundRequestFailed", "OutboundResponse"]
_URL = re.compile(r"[!-\[\]-~]{1,2048}")  # printable ASCII without a backslash


@dataclass(frozen=True, slots=True)
class OutboundResponse:
    """An HTTP response of any status; redirects are returned, not followed."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True)
class OutboundHttpClient:
    """HTTP client for URLs from others. Stateless; the transport guards and limits every request."""

    transport: SsrfGuardTransport = field(default_factory=SsrfGuardTransport)

    async def get(self, url: str, *, accept: str = "application/json") -> OutboundResponse:
        """Send a GET request. Raises OutboundRequestFailed."""
        return await self._request("GET", url, {"Accept": accept}, None)

    async def post(self, url: str, form: Mapping[str, str]) -> OutboundResponse:
        """Send a form by POST. Raises OutboundRequestFailed."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self._request("POST", url, headers, urlencode(form).encode())

    async def _request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> OutboundResponse:
        _reject_ambiguous_url(url)
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:  # the host is no name and no address
            raise OutboundRequestFailed("naam_onbekend", private=str(error)) from error
        # Host is set here: httpx would first decode the host as an internationalised name.
        fixed = {"Host": parsed.netloc.decode("ascii"), "Accept-Encoding": "identity", "User-Agent": "machtiging"}
        fixed[correlation_ids.TRACEPARENT_HEADER] = correlation_ids.build_traceparent()
        request = httpx.Request(method, parsed, headers={**headers, **fixed}, content=body)
        async with httpx.AsyncClient(transport=self.transport, trust_env=False, follow_redirects=False) as http:
            response = await http.send(request)
        return OutboundResponse(response.status_code, response.headers.get("content-type", ""), response.content)


def _reject_ambiguous_url(url: str) -> None:
    """Refuse a URL that two parsers could read differently. Raises OutboundRequestFailed `adres_vormfout`.

    It is checked as text: httpx normalises a URL before a transport sees it.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise OutboundRequestFailed("adres_vormfout") from error
    wrong = _URL.fullmatch(url) is None or parts.scheme not in ("https", "http") or not host or port == 0
    if wrong or "@" in parts.netloc or "#" in url or "%" in parts.netloc:
        raise OutboundRequestFailed("adres_vormfout")
