"""HTTP on the wire as uvicorn reads it, with an end to what it puts up with before a request is there.

Its parser refuses what could be read in two ways (request smuggling), but takes headers of any size, at any pace. A
proxy in front should have limits of its own; these hold when it has none.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 64 * 1024
PATIENCE = 20.0


class BoundedHttp(HttpToolsProtocol):
    """Request line and headers must be there within `patience` seconds and, roughly, `largest_head` bytes."""

    patience = PATIENCE
    largest_head = LARGEST_HEAD
    _in_head = True
    _taken = 0
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody is there: the first request may take so long."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._in_head, self._taken = True, 0
        self._wait()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The last byte of the headers."""
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """More bytes. Refuses (400, and closes) headers without end; one piece as it was read is always taken whole."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._taken += len(data)
            if self._taken > self.largest_head:
                self.send_400_response("The headers are too large.")

    def _wait(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(self.patience, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
