"""What the story needs of the world: where the servers are, and a look behind the scenes at clients and journal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from machtiging.audit.queries import JournalEntry, lines_under
from machtiging.audit.seal import seal_waiting
from machtiging.audit.verify import Report, verify
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.queries import machtiging_table
from machtiging.delegation.rules import State
from machtiging.kernel.clock import Clock
from machtiging.oauth.register_client import register
from machtiging.storage.unit_of_work import unit_of_work


@dataclass(frozen=True)
class World:
    """Running servers, and the database behind them: to register clients as an operator does, to read the journal."""

    issuer: str
    broker: str
    sessions: async_sessionmaker[AsyncSession]
    sealer: AsyncEngine
    keyring: KeyRing
    clock: Clock

    @property
    def api(self) -> str:
        """Where the box is: also the audience of its tokens."""
        return self.issuer + "/api/v1"

    def now(self) -> datetime:
        """The present instant."""
        return self.clock.now()

    async def register(self, metadata: dict[str, Any], oin: str | None = None) -> str:
        """Register a client as `machtiging clients add` does; returns its client_id."""
        async with unit_of_work(self.sessions) as session:
            registered = await register(session, metadata, oin=oin, at=self.now())
        return str(registered["client_id"])

    async def journal_of(self, machtiging_id: UUID) -> list[JournalEntry]:
        """What the journal says was done or tried under a machtiging, newest first."""
        async with self.sessions() as session:
            return await lines_under(session, machtiging_id, limit=500)

    async def mails(self, http: httpx.AsyncClient) -> list[dict[str, Any]]:
        """What the mail catcher caught, newest first."""
        caught: list[dict[str, Any]] = (await http.get(f"{self.broker}/post.json")).json()
        return caught

    async def seal_and_verify(self) -> Report:
        """Number and sign what waits, then read the whole journal."""
        await seal_waiting(self.sealer, self.keyring, self.clock)
        return await verify(self.sealer, self.keyring)


def plain_http() -> httpx.AsyncClient:
    """A client without a proxy: everything in the story is on this machine."""
    return httpx.AsyncClient(timeout=30, trust_env=False, follow_redirects=False)


async def is_new(sessions: async_sessionmaker[AsyncSession]) -> bool:
    """Whether the story was never told to its end here: its last act ends a machtiging."""
    table = machtiging_table()
    async with sessions() as session:
        ended = select(table.c.id).where(table.c.state == State.ENDED.value).limit(1)
        return await session.scalar(ended) is None
