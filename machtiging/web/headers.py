"""Middleware that adds response headers and logs one line per request.

NL API Design Rules 2.x: transport/security-headers, version-header. Pure ASGI, so that streamed responses stay
streamed. The headers include HSTS, a CSP, and two against clickjacking. A header already set by the response (a page's
own CSP) is kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from http import HTTPStatus

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from machtiging.web import correlation_ids, structured_logging
from machtiging.web.framework_internals import find_route_template

API_VERSION = "0.1.0"
API_PREFIX = "/api/"
CSP_API = "default-src 'none'; frame-ancestors 'none'"
CSP_PAGE = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; font-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Each name holds the hash of its content.
_STATIC_CACHE_CONTROL = b"public, max-age=31536000, immutable"
_LOGGED_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_EXTRA_HEADERS_KEY = "machtiging.said"
_REQUEST_ID_HEADER = correlation_ids.REQUEST_ID_HEADER.lower().encode()
_HSTS = b"max-age=31536000; includeSubDomains"
_CSP_API, _CSP_PAGE = CSP_API.encode(), CSP_PAGE.encode()
_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
_HTTPS_SECURITY_HEADERS = (*_SECURITY_HEADERS, (b"strict-transport-security", _HSTS))
_REMOVED_HEADERS = (b"server", b"x-powered-by")


def add_header(scope: Scope, name: str, value: str) -> None:
    """Add a header to the response of this request, also when it is an error."""
    scope.setdefault(_EXTRA_HEADERS_KEY, {})[name] = value


class _ResponseHeadersMiddleware:
    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        offered = next((value for name, value in scope["headers"] if name == _REQUEST_ID_HEADER), b"")
        the_id = correlation_ids.begin_request()
        trace_id = correlation_ids.begin_trace(scope["headers"]).trace_id
        echoed = correlation_ids.choose_response_id(offered.decode("latin-1"), the_id)
        began = time.perf_counter()
        status = 0
        scope.setdefault(_EXTRA_HEADERS_KEY, {})  # shared with copies of the scope that inner middleware makes

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.get("headers", ())
                message["headers"] = self._merge_headers(
                    headers, scope, echoed, cache=_choose_cache_control(scope, status)
                )
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            structured_logging.log_request(
                method=scope["method"] if scope["method"] in _LOGGED_METHODS else "?",
                route=route_template(scope),
                status=status,
                ms=round((time.perf_counter() - began) * 1000, 1),
                request_id=the_id,
                trace_id=trace_id,
            )

    def _merge_headers(
        self, response_headers: Iterable[tuple[bytes, bytes]], scope: Scope, echoed_id: str, *, cache: bytes
    ) -> list[tuple[bytes, bytes]]:
        path: str = scope["path"]
        added_headers = {correlation_ids.REQUEST_ID_HEADER: echoed_id, **scope.get(_EXTRA_HEADERS_KEY, {})}
        if path.startswith(API_PREFIX):
            added_headers["api-version"] = API_VERSION
        ours = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in added_headers.items()]
        unwanted = {*_REMOVED_HEADERS, *(name for name, _ in ours)}
        remaining = [one for one in response_headers if one[0] not in unwanted]
        there = dict(remaining)
        is_page = there.get(b"content-type", b"").startswith(b"text/html")
        unless_said = (
            (b"content-security-policy", _CSP_PAGE if is_page else _CSP_API),
            (b"cache-control", cache),
            *(_HTTPS_SECURITY_HEADERS if self._https else _SECURITY_HEADERS),
        )
        return [*remaining, *(one for one in unless_said if one[0] not in there), *ours]


def _choose_cache_control(scope: Scope, status: int) -> bytes:
    """Return how long a browser keeps the response. A missing asset may be there a moment later."""
    is_asset = scope["path"].startswith("/static/") and status < HTTPStatus.BAD_REQUEST
    return _STATIC_CACHE_CONTROL if is_asset else b"no-store"


def route_template(scope: Scope) -> str:
    """Return the route template (`/berichten/{berichtId}`), never the requested path: that may hold personal data."""
    return find_route_template(scope) or "-"


def install(app: FastAPI, *, issuer: str = "") -> None:
    """Add the middleware for response headers and the request log to the application.

    HSTS is sent only if `issuer`, the public URL, is https: otherwise it would persist on a developer's machine.
    """
    app.add_middleware(_ResponseHeadersMiddleware, https=issuer.startswith("https://"))
