"""HTTP protocol of uvicorn with limits on the time and size of request headers.

Against slowloris and oversized headers. The parser already refuses ambiguous requests (request smuggling). A proxy in
front should have limits of its own; these hold without one.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 64 * 1024
PATIENCE = 20.0


class BoundedHttp(HttpToolsProtocol):
    """Limits the request head to `head_timeout` seconds and about `max_head_bytes`."""

    patience = PATIENCE
    largest_head = LARGEST_HEAD
    _in_head = True
    _taken = 0
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout of the first request on a new connection."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timeout of a closed connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Start the limits at the first byte of a request."""
        self._in_head, self._taken = True, 0
        self._wait()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Cancel the timeout at the end of the headers."""
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Refuse oversized headers with 400 and close. Checked per received chunk."""
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
