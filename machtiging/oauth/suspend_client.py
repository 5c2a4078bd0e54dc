"""Suspending a client: it is unknown from now on, and the tokens that it holds are closed at once. And back again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access import tokens
from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.kernel.errors import Conflict, NotFound
from machtiging.oauth.tables import OAuthClient

_CLIENT: Table = OAuthClient.__table__  # type: ignore[attr-defined]
_ACTIVE, _SUSPENDED = "active", "suspended"


async def suspend(session: AsyncSession, client_id: str, *, at: datetime) -> int:
    """Suspend a client and close its tokens; tells how many. People's consents and machtigingen stay as they are.

    Waits for tokens that are being issued to it (`queries.hold_client`), so none slips through. Raises NotFound
    `client_onbekend`.
    """
    state = await _held(session, client_id)
    closed = await tokens.revoke_of_client(session, client_id, at)
    if state != _SUSPENDED:
        facts = {"tokens": closed}
        line = Line(JournalAct.CLIENT_GESCHORST, Outcome.DONE, "geschorst", client_id=client_id, facts=facts)
        await _move(session, _SUSPENDED, line, at)
    return closed


async def resume(session: AsyncSession, client_id: str, *, at: datetime) -> bool:
    """Let a suspended client take part again; False when it did already. The tokens that were closed stay closed.

    Raises NotFound `client_onbekend`, and Conflict `client_niet_geschorst` for one that was never approved.
    """
    state = await _held(session, client_id)
    if state == _ACTIVE:
        return False
    if state != _SUSPENDED:
        raise Conflict("client_niet_geschorst", "Deze client is niet geschorst.")
    await _move(session, _ACTIVE, Line(JournalAct.CLIENT_HERVAT, Outcome.DONE, "hervat", client_id=client_id), at)
    return True


async def _held(session: AsyncSession, client_id: str) -> str:
    """The state of the client, which nobody else changes meanwhile. Raises NotFound `client_onbekend`."""
    mine = select(_CLIENT.c.state).where(_CLIENT.c.client_id == client_id).with_for_update()
    state: str | None = await session.scalar(mine)
    if state is None:
        raise NotFound("client_onbekend", "Deze client kennen wij niet.")
    return state


async def _move(session: AsyncSession, state: str, line: Line, at: datetime) -> None:
    await session.execute(update(_CLIENT).where(_CLIENT.c.client_id == line.client_id).values(state=state))
    await record(session, line, at=at)
