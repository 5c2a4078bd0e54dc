"""Request body limits: maximum size and time, enforced before the request is handled.

Received bytes are counted, so a false or missing Content-Length does not help. An ordinary body is read completely
before the first dependency runs: a slow sender must not keep a database connection, or a lock on a machtiging that its
giver may want to revoke.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from machtiging.web import problems

DEFAULT = 256 * 1024
PATIENCE = 30.0
# Half a megabit per second on average. The largest delivery then takes little more than an hour.
SLOWEST = 64 * 1024
_TELL_OF_A_BODY = (b"content-length", b"transfer-encoding")
_OTHER_CHARSET = re.compile(r"""(?i)\s*multipart/.*charset(?!="?utf-8"?\s*(?:;|$))""")


class _Limits:
    def __init__(self, app: ASGIApp, default: int, larger: Mapping[str, int], patience: float, slowest: int) -> None:
        self._app = app
        self._default = default
        self._larger = larger
        self._patience = patience
        self._slowest = slowest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not any(name in _TELL_OF_A_BODY for name, _ in scope["headers"]):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        large = scope["path"] in self._larger
        limit = self._larger.get(scope["path"], self._default)
        try:
            _check(headers, limit)
            whole = self._patient(_counting(receive, limit)) if large else await self._whole(receive, limit)
        except HTTPException as refused:
            problem = problems.problem_for_status(refused.status_code, refused.headers)
            await problems.respond(Request(scope), problem)(scope, receive, send)
            return
        await self._app(scope, whole, send)

    async def _whole(self, receive: Receive, limit: int) -> Receive:
        """Read the whole body. Raises HTTPException 408 or 413, ClientDisconnect."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._patience):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnect
                    body += message.get("body", b"")
                    if len(body) > limit:
                        raise HTTPException(413)
                    more = message.get("more_body", False)
        except TimeoutError:
            raise HTTPException(408, headers={"Connection": "close"}) from None
        waiting: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def replayed() -> Message:
            return waiting.pop() if waiting else await receive()

        return replayed

    def _patient(self, counted: Receive) -> Receive:
        """Stream the body with a time limit. Raises HTTPException 408 when it is exceeded.

        Both a single wait and the average rate are limited: each received byte adds time, waiting spends it. Only
        waiting counts, not the processing of what was received.
        """
        complete, credit, now = False, self._patience, asyncio.get_running_loop().time

        async def awaited() -> Message:
            nonlocal complete, credit
            if complete:  # only a disconnect can follow, which has no time limit
                return await counted()
            began = now()
            try:
                async with asyncio.timeout(min(self._patience, credit)):
                    message = await counted()
                    while message.get("more_body", False) and not message.get("body"):
                        message = await counted()
            except TimeoutError:
                raise HTTPException(408, headers={"Connection": "close"}) from None
            credit += len(message.get("body", b"")) / self._slowest - (now() - began)
            complete = not message.get("more_body", False)
            return message

        return awaited


def _counting(receive: Receive, limit: int) -> Receive:
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise HTTPException(413)
        return message

    return counted


def _check(headers: Headers, limit: int) -> None:
    # Decompression bomb: a compressed body can expand a thousandfold, and no endpoint needs one.
    if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise HTTPException(415)
    # Forms are UTF-8 (RFC 7578). Other charsets allow characters that we cannot store, or have no codec.
    if _OTHER_CHARSET.match(headers.get("content-type", "")) is not None:
        raise HTTPException(415)
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise HTTPException(400)
    if int(length) > limit:
        raise HTTPException(413)


def install(
    app: FastAPI,
    *,
    default: int = DEFAULT,
    larger: Mapping[str, int] | None = None,
    patience: float = PATIENCE,
    slowest: int = SLOWEST,
) -> None:
    """Add the middleware: 413 for a body too large, 408 after `timeout` seconds.

    `max_bytes_by_path` gives paths with a higher limit in bytes. Those bodies are streamed: `timeout` limits the wait
    between two chunks, and after that the average must be at least `min_bytes_per_second`. Their routes must hold no
    lock or connection while they read.
    """
    app.user_middleware.append(
        Middleware(_Limits, default=default, larger=larger or {}, patience=patience, slowest=slowest)
    )
