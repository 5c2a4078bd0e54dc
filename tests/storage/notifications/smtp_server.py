"""A real SMTP server on loopback, in the test's event loop, with settable answers."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP


@dataclass
class MailServer:
    """The mails that arrived, and the answers to give. `rcpt` and `data` are used one by one.

    `pause_at`: the first command of this name waits for `resume`.
    """

    port: int = 0
    rcpt: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    mail_from: list[str] = field(default_factory=list)
    taken: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    pause_at: str = ""
    paused: asyncio.Event = field(default_factory=asyncio.Event)
    resume: asyncio.Event = field(default_factory=asyncio.Event)
    _arrival: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def wait_for_mails(self, number: int) -> None:
        """Wait, a minute at most, until this many mails were taken."""
        async with asyncio.timeout(60), self._arrival:
            await self._arrival.wait_for(lambda: len(self.taken) >= number)

    async def _pause(self, command: str) -> None:
        if command == self.pause_at and not self.paused.is_set():
            self.paused.set()
            await self.resume.wait()

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.mail_from:
            return self.mail_from.pop(0)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        await self._pause("rcpt")
        if self.rcpt:
            return self.rcpt.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        await self._pause("data")
        if self.data:
            return self.data.pop(0)
        self.taken.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=default)))  # type: ignore[arg-type]
        async with self._arrival:
            self._arrival.notify_all()
        return "250 OK"


@asynccontextmanager
async def serve_smtp(*, smtputf8: bool = False) -> AsyncIterator[MailServer]:
    """Listening until the block ends. `smtputf8`: it takes addresses outside ASCII (RFC 6531)."""
    handler = MailServer()

    def protocol() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return SMTP(handler, hostname="post.test", enable_SMTPUTF8=smtputf8, loop=asyncio.get_running_loop())

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    handler.port = server.sockets[0].getsockname()[1]
    try:
        yield handler
    finally:
        server.close()
        await server.wait_closed()
