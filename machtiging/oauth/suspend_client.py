"""Suspending a client: it is unknown from now on, and the tokens that it holds are closed at once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access import tokens
from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.kernel.errors import NotFound
from machtiging.oauth.tables import OAuthClient

_CLIENT: Table = OAuthClient.__table__  # type: ignore[attr-defined]
_SUSPENDED = "suspended"


async def suspend(session: AsyncSession, client_id: str, *, at: datetime) -> int:
    """Suspend a client and close its tokens; tells how many. People's consents and machtigingen stay as they are.

    Waits for tokens that are being issued to it (`queries.hold_client`), so none slips through. Raises NotFound
    `client_onbekend`.
    """
    mine = _CLIENT.c.client_id == client_id
    state = await session.scalar(select(_CLIENT.c.state).where(mine).with_for_update())
    if state is None:
        raise NotFound("client_onbekend", "Deze client kennen wij niet.")
    closed = await tokens.revoke_of_client(session, client_id, at)
    if state != _SUSPENDED:
        await session.execute(update(_CLIENT).where(mine).values(state=_SUSPENDED))
        facts = {"tokens": closed}
        line = Line(JournalAct.CLIENT_GESCHORST, Outcome.DONE, "geschorst", client_id=client_id, facts=facts)
        await record(session, line, at=at)
    return closed
