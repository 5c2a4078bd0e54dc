"""The environment of the story: server addresses, and direct access to clients and journal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from machtiging.audit.queries import JournalEntry, load_lines_for_machtiging
from machtiging.audit.seal import seal_intake
from machtiging.audit.verification import VerificationReport, verify_journal
from machtiging.berichtenbox.authorization_details.rules import BERICHTENBOX_DETAIL_TYPE
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.queries import machtiging_table
from machtiging.delegation.rules import MachtigingState
from machtiging.kernel.clock import Clock
from machtiging.oauth.register_client import register_client
from machtiging.storage.unit_of_work import unit_of_work


@dataclass(frozen=True)
class StoryEnvironment:
    """The running servers and their database. It registers clients and reads the journal as an operator does."""

    issuer: str
    broker: str
    sessions: async_sessionmaker[AsyncSession]
    sealer: AsyncEngine
    keyring: KeyRing
    clock: Clock

    @property
    def api_url(self) -> str:
        """The base URL of the API, which is also the audience of its tokens."""
        return self.issuer + "/api/v1"

    def now(self) -> datetime:
        """Return the present instant."""
        return self.clock.now()

    async def register_client(self, metadata: dict[str, Any], oin: str | None = None) -> str:
        """Register a client as `machtiging clients add` does and return its client_id."""
        async with unit_of_work(self.sessions) as session:
            registered = await register_client(
                session, metadata, oin=oin, detail_type=BERICHTENBOX_DETAIL_TYPE, at=self.now()
            )
        return str(registered["client_id"])

    async def load_journal(self, machtiging_id: UUID) -> list[JournalEntry]:
        """Return the journal entries of a machtiging, newest first."""
        async with self.sessions() as session:
            return await load_lines_for_machtiging(session, machtiging_id, limit=500)

    async def fetch_emails(self, http: httpx.AsyncClient) -> list[dict[str, Any]]:
        """Return the e-mails in the mail catcher, newest first."""
        caught: list[dict[str, Any]] = (await http.get(f"{self.broker}/post.json")).json()
        return caught

    async def seal_and_verify_journal(self) -> VerificationReport:
        """Seal the waiting journal lines and verify the whole journal."""
        await seal_intake(self.sealer, self.keyring, self.clock)
        return await verify_journal(self.sealer, self.keyring)


def create_http_client() -> httpx.AsyncClient:
    """Create an HTTP client without a proxy: all servers run on this machine."""
    return httpx.AsyncClient(timeout=30, trust_env=False, follow_redirects=False)


async def is_first_run(sessions: async_sessionmaker[AsyncSession]) -> bool:
    """Return true when the story never finished here. Its last step ends a machtiging."""
    table = machtiging_table()
    async with sessions() as session:
        ended = select(table.c.id).where(table.c.state == MachtigingState.ENDED.value).limit(1)
        return await session.scalar(ended) is None
