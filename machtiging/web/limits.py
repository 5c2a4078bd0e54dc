"""How large a request may be and how long it may take to come in, before anything is done for it.

Counted in bytes as they come, so that a false or absent Content-Length helps nobody. An ordinary body is there as a
whole before the first door opens: otherwise who sends it slowly would keep a connection to the database, and the lock
on his machtiging, for as long as he likes; and nobody could revoke it meanwhile.
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
# Bytes a second, on average: half a megabit. A delivery as large as it may be is in within little more than an hour.
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
        """The body, all of it. Raises HTTPException 408 or 413, ClientDisconnect."""
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
        """The body as it comes, as long as it comes: raises HTTPException 408 when no byte does for too long.

        Also when it comes too slowly on the whole: every byte that came buys a little time, and waiting uses it up.
        Only the waiting counts, not what is done here with what came.
        """
        complete, credit, now = False, self._patience, asyncio.get_running_loop().time

        async def awaited() -> Message:
            nonlocal complete, credit
            if complete:  # what is awaited now is that the asker hangs up, and he need not
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
    # A compressed body could unfold to a thousand times its size; nobody needs one here.
    if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise HTTPException(415)
    # Forms are UTF-8 (RFC 7578). In other charsets one writes what no text can hold, or what no codec reads.
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
    """Refuse larger request bodies with 413, and those that take longer than `patience` seconds with 408.

    `larger` names the paths that may take more, in bytes. There it streams on: `patience` is for the wait between two
    pieces, and once it has been used up altogether, for `slowest` bytes a second. Whoever reads it must hold nothing.
    """
    app.user_middleware.append(
        Middleware(_Limits, default=default, larger=larger or {}, patience=patience, slowest=slowest)
    )
