"""How large a request may be: counted in bytes as they come, so that a false or absent Content-Length helps nobody."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from machtiging.web import problems

DEFAULT = 256 * 1024


class _Limits:
    def __init__(self, app: ASGIApp, default: int, larger: Mapping[str, int]) -> None:
        self._app = app
        self._default = default
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._larger.get(scope["path"], self._default)
        if refused := _refused_by_header(Headers(scope=scope), limit):
            await problems.respond(Request(scope), problems.problem_for_status(refused))(scope, receive, send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise HTTPException(413)
            return message

        await self._app(scope, counted, send)


def _refused_by_header(headers: Headers, limit: int) -> int | None:
    # A compressed body could unfold to a thousand times its size; nobody needs one here.
    if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        return 415
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        return 400
    return 413 if int(length) > limit else None


def install(app: FastAPI, *, default: int = DEFAULT, larger: Mapping[str, int] | None = None) -> None:
    """Refuse larger request bodies with 413; `larger` names the paths that may take more, in bytes."""
    app.user_middleware.append(Middleware(_Limits, default=default, larger=larger or {}))
