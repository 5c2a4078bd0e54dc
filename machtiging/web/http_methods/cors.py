"""CORS middleware for browser apps, always without credentials (Fetch standard section 3.2).

Pure ASGI and outside every middleware that can refuse, so that an app can read each response, also a refusal. A
preflight is answered here and reaches no guard, rate limit or route.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALLOW_ORIGIN = "Access-Control-Allow-Origin"
_ALLOWED_HEADERS = "Authorization, DPoP, Content-Type, If-Match, traceparent"
_EXPOSED_HEADERS = "DPoP-Nonce, WWW-Authenticate, API-Version, Location, Retry-After, Content-Disposition"
# Browsers may cache a preflight for this long. Each response is checked again, so a stale cache gives no access.
_MAX_AGE_SECONDS = "300"


class AllowedOrigins(Protocol):
    """The origins that may read responses at the paths of `CorsRules.for_clients`."""

    async def load_origins(self, app: Starlette) -> frozenset[str]:
        """Load the current origins of the application; empty if they cannot be read."""


@dataclass(frozen=True, slots=True)
class CorsRules:
    """Paths with their methods: public documents and endpoints for apps. A path ending in `/` is a prefix."""

    public: Mapping[str, Sequence[str]] = field(default_factory=dict)
    for_clients: Mapping[str, Sequence[str]] = field(default_factory=dict)


class _CorsMiddleware:
    def __init__(self, app: ASGIApp, rules: CorsRules, make_origins: Callable[[], AllowedOrigins]) -> None:
        self._app = app
        self._rules = rules
        self._origins = make_origins()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_http = scope["type"] == "http"
        public = _find_methods(self._rules.public, scope["path"]) if is_http else None
        methods = _find_methods(self._rules.for_clients, scope["path"]) if is_http and public is None else public
        if methods is None:
            await self._app(scope, receive, send)
            return
        headers = {_ALLOW_ORIGIN: "*"} if public is not None else await self._build_client_headers(scope)
        if _is_preflight(scope):
            await _build_preflight_response(headers, methods)(scope, receive, send)
            return

        async def send_with_cors_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_cors_headers(MutableHeaders(scope=message), headers)
            await send(message)

        await self._app(scope, receive, send_with_cors_headers)

    async def _build_client_headers(self, scope: Scope) -> dict[str, str]:
        """Build the headers for this origin. `Vary` keeps caches from sharing it between origins."""
        origin = _read_origin(scope)
        if origin is None or origin not in await self._origins.load_origins(HTTPConnection(scope).app):
            return {"Vary": "Origin"}
        return {_ALLOW_ORIGIN: origin, "Vary": "Origin"}


def _find_methods(paths: Mapping[str, Sequence[str]], path: str) -> Sequence[str] | None:
    exact = paths.get(path)
    if exact is not None:
        return exact
    return next((methods for prefix, methods in paths.items() if prefix[-1] == "/" and path.startswith(prefix)), None)


def _read_single_header(scope: Scope, header_name: bytes) -> str | None:
    """Return a header's value if it occurs exactly once."""
    values = [value for name, value in scope["headers"] if name == header_name]
    return values[0].decode("latin-1") if len(values) == 1 else None


def _read_origin(scope: Scope) -> str | None:
    """Return the request's origin; None for `null` (sandbox, file, redirect), which identifies no site."""
    origin = _read_single_header(scope, b"origin")
    return None if origin == "null" else origin


def _is_preflight(scope: Scope) -> bool:
    asks = (b"origin", b"access-control-request-method")
    return scope["method"] == "OPTIONS" and all(_read_single_header(scope, name) is not None for name in asks)


def _build_preflight_response(headers: Mapping[str, str], methods: Sequence[str]) -> Response:
    """Build the 204 response to a preflight (Fetch 4.8). An origin without access gets no further headers."""
    response_headers = dict(headers)
    if _ALLOW_ORIGIN in response_headers:
        response_headers["Access-Control-Allow-Methods"] = ", ".join(methods)
        response_headers["Access-Control-Allow-Headers"] = _ALLOWED_HEADERS
        response_headers["Access-Control-Max-Age"] = _MAX_AGE_SECONDS
    return Response(status_code=204, headers=response_headers)


def _add_cors_headers(response_headers: MutableHeaders, headers: Mapping[str, str]) -> None:
    if _ALLOW_ORIGIN in headers:
        response_headers[_ALLOW_ORIGIN] = headers[_ALLOW_ORIGIN]
        response_headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
    if "Vary" in headers:
        response_headers.add_vary_header(headers["Vary"])


def install(app: FastAPI, rules: CorsRules, make_origins: Callable[[], AllowedOrigins]) -> None:
    """Add the CORS middleware with `rules`. Call after every middleware that can refuse.

    `make_origins` is called once per application, so that no two share a cache.
    """
    app.add_middleware(_CorsMiddleware, rules=rules, make_origins=make_origins)
