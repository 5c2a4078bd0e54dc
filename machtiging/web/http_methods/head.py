"""HEAD wherever GET is (RFC 9110 section 9.3.2): the same route, guard, journal line and headers, and no body.

A route whose GET opens something or changes something asks `is_head`, and then does neither (`head_response`).
"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MARK = "machtiging.head"


def is_head(request: Request) -> bool:
    """Tell whether a request that is routed as GET was sent as HEAD."""
    return _MARK in request.scope


def request_method(request: Request) -> str:
    """The method as it was sent. Proofs are made for that one (RFC 9449 section 4.2, `htm`)."""
    return "HEAD" if is_head(request) else request.method


def head_response(media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    """Build an answer to HEAD without having made what GET would give; its length is said only in `headers`."""
    response = Response(media_type=media_type, headers=dict(headers or {}))
    if not any(name.lower() == "content-length" for name in headers or ()):
        del response.headers["content-length"]
    return response


class _Head:
    """Routes HEAD as GET, and keeps the body back."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        # A copy: the server goes on seeing HEAD, and so sends no body and no other length.
        routed = {**scope, "method": "GET", _MARK: True}
        ended = False

        async def sender(message: Message) -> None:
            nonlocal ended
            if message["type"] == "http.response.start":
                await send(message)
            elif not ended:
                ended = True
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        try:
            await self._app(routed, receive, sender)
        finally:
            if "route" in routed:
                scope["route"] = routed["route"]  # for the line in the log


def install(app: FastAPI) -> None:
    """Answer HEAD. To be called when every layer that routes or refuses is there."""
    app.user_middleware.insert(0, Middleware(_Head))
