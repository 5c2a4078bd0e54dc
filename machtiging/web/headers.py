"""The headers that every answer carries (NL API Design Rules 2.x: transport/security-headers, version-header).

Pure ASGI, so that streamed answers stream. A header that the answer already has (a page with its own CSP) stays.
"""

from __future__ import annotations

import time

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from machtiging.web import logging, request_id

API_VERSION = "0.1.0"
API_PREFIX = "/api/"
CSP_API = "default-src 'none'; frame-ancestors 'none'"
CSP_PAGE = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_CACHED = "public, max-age=300"
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_SAID = "machtiging.said"
_HSTS = "max-age=31536000; includeSubDomains"


def say(scope: Scope, name: str, value: str) -> None:
    """Put a header on the answer to this request, whatever answer it will get."""
    scope.setdefault(_SAID, {})[name] = value


class _Headers:
    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        the_id = request_id.begin(Headers(scope=scope).get(request_id.HEADER))
        began = time.perf_counter()
        status = 0

        async def sender(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add(MutableHeaders(scope=message), scope, the_id)
            await send(message)

        try:
            await self._app(scope, receive, sender)
        finally:
            logging.request_line(
                method=scope["method"] if scope["method"] in _METHODS else "?",
                route=route_of(scope),
                status=status,
                ms=round((time.perf_counter() - began) * 1000, 1),
                request_id=the_id,
            )

    def _add(self, headers: MutableHeaders, scope: Scope, the_id: str) -> None:
        path = scope["path"]
        for unwanted in ("server", "x-powered-by"):
            del headers[unwanted]
        headers[request_id.HEADER] = the_id
        is_page = headers.get("content-type", "").startswith("text/html")
        headers.setdefault("content-security-policy", CSP_PAGE if is_page else CSP_API)
        headers.setdefault("cache-control", _CACHED if path.startswith("/static/") else "no-store")
        headers.setdefault("x-content-type-options", "nosniff")
        headers.setdefault("x-frame-options", "DENY")
        headers.setdefault("referrer-policy", "no-referrer")
        for name, value in scope.get(_SAID, {}).items():
            headers[name] = value
        if path.startswith(API_PREFIX):
            headers["api-version"] = API_VERSION
        if self._https:
            headers.setdefault("strict-transport-security", _HSTS)


def route_of(scope: Scope) -> str:
    """The template of the route (`/berichten/{berichtId}`), never the path as it was asked: that may hold anything."""
    return getattr(scope.get("route"), "path", None) or "-"


def install(app: FastAPI, *, issuer: str = "") -> None:
    """Put the headers on every answer of the application, and one log line under each request.

    HSTS is only said when `issuer`, the public URL, is https: on a developer's own machine it would stick.
    """
    app.add_middleware(_Headers, https=issuer.startswith("https://"))
