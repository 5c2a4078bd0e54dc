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
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from machtiging.web.errors.problem_details import problem_from_status
from machtiging.web.errors.responses import build_problem_response
from machtiging.web.framework_internals import add_innermost_middleware

DEFAULT_MAX_BYTES = 256 * 1024
BODY_TIMEOUT_SECONDS = 30.0
# Half a megabit per second on average. The largest delivery then takes little more than an hour.
MIN_BYTES_PER_SECOND = 64 * 1024
_BODY_HEADERS = (b"content-length", b"transfer-encoding")
_NON_UTF8_MULTIPART = re.compile(r"""(?i)\s*multipart/.*charset(?!="?utf-8"?\s*(?:;|$))""")


class _BodyLimitMiddleware:
    def __init__(
        self,
        app: ASGIApp,
        default_max_bytes: int,
        max_bytes_by_path: Mapping[str, int],
        timeout: float,
        min_bytes_per_second: int,
    ) -> None:
        self._app = app
        self._default_max_bytes = default_max_bytes
        self._max_bytes_by_path = max_bytes_by_path
        self._timeout = timeout
        self._min_bytes_per_second = min_bytes_per_second

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not any(name in _BODY_HEADERS for name, _ in scope["headers"]):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        large = scope["path"] in self._max_bytes_by_path
        limit = self._max_bytes_by_path.get(scope["path"], self._default_max_bytes)
        try:
            _check_headers(headers, limit)
            whole = (
                self._stream_body(_limit_received_bytes(receive, limit))
                if large
                else await self._read_whole_body(receive, limit)
            )
        except HTTPException as refused:
            problem = problem_from_status(refused.status_code, refused.headers)
            await build_problem_response(Request(scope), problem)(scope, receive, send)
            return
        await self._app(scope, whole, send)

    async def _read_whole_body(self, receive: Receive, limit: int) -> Receive:
        """Read the whole body. Raises HTTPException 408 or 413, ClientDisconnect."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._timeout):
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

        async def replay_body() -> Message:
            return waiting.pop() if waiting else await receive()

        return replay_body

    def _stream_body(self, receive: Receive) -> Receive:
        """Stream the body with a time limit. Raises HTTPException 408 when it is exceeded.

        Both a single wait and the average rate are limited: each received byte adds time, waiting spends it. Only
        waiting counts, not the processing of what was received.
        """
        complete, credit, now = False, self._timeout, asyncio.get_running_loop().time

        async def receive_with_timeout() -> Message:
            nonlocal complete, credit
            if complete:  # only a disconnect can follow, which has no time limit
                return await receive()
            began = now()
            try:
                async with asyncio.timeout(min(self._timeout, credit)):
                    message = await receive()
                    while message.get("more_body", False) and not message.get("body"):
                        message = await receive()
            except TimeoutError:
                raise HTTPException(408, headers={"Connection": "close"}) from None
            credit += len(message.get("body", b"")) / self._min_bytes_per_second - (now() - began)
            complete = not message.get("more_body", False)
            return message

        return receive_with_timeout


def _limit_received_bytes(receive: Receive, limit: int) -> Receive:
    received_bytes = 0

    async def receive_within_limit() -> Message:
        nonlocal received_bytes
        message = await receive()
        received_bytes += len(message.get("body", b""))
        if received_bytes > limit:
            raise HTTPException(413)
        return message

    return receive_within_limit


def _check_headers(headers: Headers, limit: int) -> None:
    # Decompression bomb: a compressed body can expand a thousandfold, and no endpoint needs one.
    if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise HTTPException(415)
    # Forms are UTF-8 (RFC 7578). Other charsets allow characters that we cannot store, or have no codec.
    if _NON_UTF8_MULTIPART.match(headers.get("content-type", "")) is not None:
        raise HTTPException(415)
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise HTTPException(400)
    if int(length) > limit:
        raise HTTPException(413)


def install(
    app: FastAPI,
    *,
    default_max_bytes: int = DEFAULT_MAX_BYTES,
    max_bytes_by_path: Mapping[str, int] | None = None,
    timeout: float = BODY_TIMEOUT_SECONDS,
    min_bytes_per_second: int = MIN_BYTES_PER_SECOND,
) -> None:
    """Add the middleware: 413 for a body too large, 408 after `timeout` seconds.

    `max_bytes_by_path` gives paths with a higher limit in bytes. Those bodies are streamed: `timeout` limits the wait
    between two chunks, and after that the average must be at least `min_bytes_per_second`. Their routes must know the
    caller before they read, and hold no lock or connection while they read.
    """
    add_innermost_middleware(
        app,
        _BodyLimitMiddleware,
        default_max_bytes=default_max_bytes,
        max_bytes_by_path=max_bytes_by_path or {},
        timeout=timeout,
        min_bytes_per_second=min_bytes_per_second,
    )
