"""An operator lets in a client that a program proposed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.kernel.errors import Conflict, NotFound
from machtiging.oauth.registration.propose import ACTIVE, PROPOSED
from machtiging.oauth.tables import OAuthClient

_CLIENT: Table = OAuthClient.__table__  # type: ignore[attr-defined]


async def approve(session: AsyncSession, client_id: str, *, at: datetime) -> None:
    """Make a proposed client active. Raises NotFound `client_onbekend`, Conflict `client_niet_voorgesteld`."""
    mine = _CLIENT.c.client_id == client_id
    opening = update(_CLIENT).where(mine, _CLIENT.c.state == PROPOSED).values(state=ACTIVE)
    if await session.scalar(opening.returning(_CLIENT.c.client_id)) is None:
        if await session.scalar(select(_CLIENT.c.client_id).where(mine)) is None:
            raise NotFound("client_onbekend", "Deze client kennen wij niet.")
        raise Conflict("client_niet_voorgesteld", "Deze client is niet voorgesteld.")
    line = Line(JournalAct.CLIENT_GOEDGEKEURD, Outcome.DONE, "goedgekeurd", client_id=client_id)
    await record(session, line, at=at)
