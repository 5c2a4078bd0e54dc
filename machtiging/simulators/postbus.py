"""The mail catcher: an SMTP server on loopback that stores e-mails and shows them.

It runs in our event loop, without threads. No e-mail leaves this machine.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP

from machtiging.kernel.clock import Clock
from machtiging.kernel.errors import Fault

LOOPBACK = "127.0.0.1"
KEPT = 500
_LARGEST = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Mail:
    """One received e-mail."""

    received_at: datetime
    sender: str
    recipients: tuple[str, ...]
    subject: str
    body: str


class Postbus:
    """The SMTP server and the latest e-mails."""

    def __init__(self, port: int, clock: Clock) -> None:
        self.mails: deque[Mail] = deque(maxlen=KEPT)
        self.port = port
        self._clock = clock
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Start listening. Port 0 takes a free port and sets `port`. Raises Fault `postbus_start_niet`."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._protocol, LOOPBACK, self.port)
        except OSError as error:
            raise Fault("postbus_start_niet", private=f"port {self.port}: {error.strerror}") from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def _protocol(self) -> Any:
        loop = asyncio.get_running_loop()
        return SMTP(self, hostname="localhost", ident="oefenpost", data_size_limit=_LARGEST, timeout=30, loop=loop)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        """Store an e-mail. Called by aiosmtpd."""
        self.mails.append(self._read(envelope))
        return "250 OK"

    def _read(self, envelope: Any) -> Mail:
        message = message_from_bytes(envelope.content, _class=EmailMessage, policy=default)
        try:
            part = message.get_body(preferencelist=("plain", "html"))
            body = "" if part is None else str(part.get_content())
        except (LookupError, ValueError):
            # An unknown charset: show the raw content.
            body = envelope.content.decode("utf-8", "replace")
        subject = str(message["subject"] or "")
        return Mail(self._clock.now(), str(envelope.mail_from), tuple(envelope.rcpt_tos), subject, body)
