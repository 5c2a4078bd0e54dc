"""A download over ASGI that stops after each part, until the reader takes the next."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any


@dataclass
class PartedDownload:
    """A response under way. The server waits in `send` after each part."""

    task: asyncio.Task[None]
    messages: asyncio.Queue[Any]
    demand: asyncio.Semaphore

    async def finish(self) -> bool:
        """Take the rest. Returns True if all of it came, False if the server broke it off."""
        while not self.task.done():
            self.demand.release()
            await asyncio.wait([self.task], timeout=0.01)
        if self.task.exception() is not None:
            return False
        parts = [self.messages.get_nowait() for _ in range(self.messages.qsize())]
        return not parts[-1].get("more_body", False)


def start_download(app: Any, path: str, token: str | None = None, *, cookie: str = "") -> PartedDownload:
    """GET an attachment with this token, or with the cookie of a session."""
    credential = (b"cookie", cookie.encode()) if token is None else (b"authorization", b"Bearer " + token.encode())
    messages, demand = asyncio.Queue[Any](), asyncio.Semaphore(0)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [credential, (b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        await messages.put(message)
        if message["type"] == "http.response.body":
            await demand.acquire()

    return PartedDownload(asyncio.create_task(app(scope, receive, send)), messages, demand)
