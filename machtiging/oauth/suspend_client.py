"""Suspending a client: it is unknown from now on, and the tokens that it holds are closed at once. And back again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Table, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access import tokens
from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.forged_rows import authenticate_row
from machtiging.audit.journal import Line, by_operator, record
from machtiging.kernel.errors import Conflict, NotFound
from machtiging.oauth.tables import (
    SEALED_CLIENT,
    AuthorizationCode,
    BackchannelRequest,
    OAuthClient,
    PushedRequest,
    RefreshToken,
)
from machtiging.storage.row_mac import reseal

_CLIENT: Table = OAuthClient.__table__  # type: ignore[attr-defined]
_REFRESH: Table = RefreshToken.__table__  # type: ignore[attr-defined]
_ASKING: Table = BackchannelRequest.__table__  # type: ignore[attr-defined]
_WAITING: tuple[Table, ...] = (
    PushedRequest.__table__,  # type: ignore[attr-defined]
    AuthorizationCode.__table__,  # type: ignore[attr-defined]
    _ASKING,
)
_ACTIVE, _PROPOSED, _SUSPENDED = "active", "proposed", "suspended"


async def suspend(session: AsyncSession, client_id: str, *, at: datetime, by: str | None = None) -> int:
    """Suspend a client and cut off all that it holds; tells how many tokens.

    People's consents and machtigingen stay as they are. Waits for tokens that are being issued to it
    (`queries.hold_client`), so none slips through. `by` is the operator. Raises NotFound
    `client_onbekend`.
    """
    row = await _held(session, client_id)
    closed = await cut_off(session, client_id, at=at)
    if row.state != _SUSPENDED:
        facts = {"tokens": closed}
        line = Line(JournalAct.CLIENT_GESCHORST, Outcome.DONE, "geschorst", client_id=client_id, facts=facts)
        await _move(session, row, _SUSPENDED, by_operator(line, by), at)
    return closed


async def cut_off(session: AsyncSession, client_id: str, *, at: datetime) -> int:
    """Close everything that a client holds or has under way, so that none of it comes to life when the client does.

    Whoever calls this holds the client's row. What somebody else is using up at this instant is left to him: he comes
    to the client next, and finds it closed. Tells how many tokens there were.
    """
    for table in _WAITING:
        theirs = select(*table.primary_key).where(table.c.client_id == client_id, table.c.expires_at > at)
        free = theirs.with_for_update(skip_locked=True)
        await session.execute(update(table).where(*(key.in_(free) for key in table.primary_key)).values(expires_at=at))
    # Who polls for an answer that is not there yet does not come to the client next, so he is waited for.
    asking = update(_ASKING).where(_ASKING.c.client_id == client_id, _ASKING.c.state == "pending")
    await session.execute(asking.where(_ASKING.c.expires_at > at).values(expires_at=at))
    await session.execute(delete(_REFRESH).where(_REFRESH.c.client_id == client_id))
    return await tokens.revoke_of_client(session, client_id, at)


async def resume(session: AsyncSession, client_id: str, *, at: datetime, by: str | None = None) -> bool:
    """Let a suspended client take part again; False when it did already. The tokens that were closed stay closed.

    One that registered itself is proposed again: perhaps nobody had looked at what it is now. `by` is the operator.
    Raises NotFound `client_onbekend`, Conflict `client_niet_geschorst` for one that was never approved, and
    `client_teruggetrokken` for one that withdrew itself.
    """
    row = await _held(session, client_id)
    if not await authenticate_row(session, SEALED_CLIENT, row, at=at):
        raise _unknown()
    if row.withdrawn_at is not None:
        raise Conflict("client_teruggetrokken", "Deze client heeft zichzelf teruggetrokken, voorgoed.")
    if row.state == _ACTIVE:
        return False
    if row.state != _SUSPENDED:
        raise Conflict("client_niet_geschorst", "Deze client is niet geschorst.")
    to = _PROPOSED if row.by_program else _ACTIVE
    line = Line(JournalAct.CLIENT_HERVAT, Outcome.DONE, "hervat", client_id=client_id)
    await _move(session, row, to, by_operator(line, by), at)
    return True


async def _held(session: AsyncSession, client_id: str) -> Row[Any]:
    """The client, which nobody else changes meanwhile. Raises NotFound `client_onbekend`."""
    mine = select(_CLIENT).where(_CLIENT.c.client_id == client_id).with_for_update()
    row = (await session.execute(mine)).one_or_none()
    if row is None:
        raise _unknown()
    return row


def _unknown() -> NotFound:
    return NotFound("client_onbekend", "Deze client kennen wij niet.")


async def _move(session: AsyncSession, row: Row[Any], state: str, line: Line, at: datetime) -> None:
    values = reseal(session, SEALED_CLIENT, row, {"state": state})
    await session.execute(update(_CLIENT).where(_CLIENT.c.client_id == row.client_id).values(values))
    await record(session, line, at=at)
