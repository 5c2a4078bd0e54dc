"""HTTP protocol of uvicorn with limits on the time and size of request headers.

Against slowloris and oversized headers. The parser already refuses ambiguous requests (request smuggling). A proxy in
front should have limits of its own; these hold without one.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
HEAD_TIMEOUT_SECONDS = 20.0
# Longer than an HTTP client or proxy keeps an idle connection (5 to 60 seconds is usual), so that they close it first.
# The other way round, a request may arrive while the server closes, and is lost.
KEEP_ALIVE_SECONDS = 75


class BoundedHttpProtocol(HttpToolsProtocol):
    """Limits the request head to `head_timeout` seconds and about `max_head_bytes`."""

    head_timeout = HEAD_TIMEOUT_SECONDS
    max_head_bytes = MAX_HEAD_BYTES
    _in_head = True
    _head_bytes = 0
    _timeout_handle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout of the first request on a new connection."""
        super().connection_made(transport)
        self._start_timeout()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timeout of a closed connection."""
        self._cancel_timeout()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Start the limits at the first byte of a request."""
        self._in_head, self._head_bytes = True, 0
        self._start_timeout()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Cancel the timeout at the end of the headers."""
        self._in_head = False
        self._cancel_timeout()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Refuse oversized headers with 400 and close. Checked per received chunk."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > self.max_head_bytes:
                self.send_400_response("The headers are too large.")

    def _start_timeout(self) -> None:
        if self._timeout_handle is None:
            self._timeout_handle = self.loop.call_later(self.head_timeout, self.transport.close)

    def _cancel_timeout(self) -> None:
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
            self._timeout_handle = None
