"""HEAD for every GET route (RFC 9110 section 9.3.2): same route, guard, journal line and headers, no body.

A GET route that decrypts or changes something checks `is_head`, skips that and returns `build_head_response`.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from machtiging.web.framework_internals import copy_matched_route

_HEAD_SCOPE_KEY = "machtiging.head"


def is_head(request: Request) -> bool:
    """Return True if a request routed as GET was sent as HEAD."""
    return _HEAD_SCOPE_KEY in request.scope


def sent_method(request: Request) -> str:
    """Return the method as sent. DPoP proofs are bound to it (RFC 9449 section 4.2, `htm`)."""
    return "HEAD" if is_head(request) else request.method


def build_head_response(media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    """Build a response to HEAD without producing the GET body. Content-Length is sent only if in `headers`."""
    response = Response(media_type=media_type, headers=dict(headers or {}))
    if not any(name.lower() == "content-length" for name in headers or ()):
        del response.headers["content-length"]
    return response


class _HeadMiddleware:
    """Middleware that routes HEAD as GET and drops the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        # A copy: the server still sees HEAD, so it sends no body and does not change the length.
        routed = {**scope, "method": "GET", _HEAD_SCOPE_KEY: True}
        ended = False

        async def send_without_body(message: Message) -> None:
            nonlocal ended
            if message["type"] == "http.response.start":
                await send(message)
            elif not ended:
                ended = True
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        try:
            await self._app(routed, receive, send_without_body)
        finally:
            copy_matched_route(routed, scope)


def install(app: FastAPI) -> None:
    """Add the HEAD middleware. Call after all other middleware is installed."""
    app.add_middleware(_HeadMiddleware)
