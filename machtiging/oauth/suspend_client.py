"""Suspend a client and revoke its tokens, or resume it."""

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
    """Suspend a client and revoke all its access.

    Returns the number of tokens.

    Consents and machtigingen of people stay as they are. Waits for tokens in issuance (`queries.lock_active_client`),
    so none is missed. Raises NotFound `client_onbekend`.
    """
    row = await _held(session, client_id)
    closed = await cut_off(session, client_id, at=at)
    if row.state != _SUSPENDED:
        facts = {"tokens": closed}
        line = Line(JournalAct.CLIENT_GESCHORST, Outcome.DONE, "geschorst", client_id=client_id, facts=facts)
        await _move(session, row, _SUSPENDED, by_operator(line, by), at)
    return closed


async def cut_off(session: AsyncSession, client_id: str, *, at: datetime) -> int:
    """Revoke all tokens, codes and pending requests of a client.

    Returns the number of tokens.

    None of them becomes valid again when the client is resumed. The caller must hold the lock on the client's row. Rows
    locked by another transaction are skipped: that transaction locks the client next, and finds it suspended.
    """
    for table in _WAITING:
        theirs = select(*table.primary_key).where(table.c.client_id == client_id, table.c.expires_at > at)
        free = theirs.with_for_update(skip_locked=True)
        await session.execute(update(table).where(*(key.in_(free) for key in table.primary_key)).values(expires_at=at))
    # A poll of a pending CIBA request does not lock the client next, so these rows are waited for, not skipped.
    asking = update(_ASKING).where(_ASKING.c.client_id == client_id, _ASKING.c.state == "pending")
    await session.execute(asking.where(_ASKING.c.expires_at > at).values(expires_at=at))
    await session.execute(delete(_REFRESH).where(_REFRESH.c.client_id == client_id))
    return await tokens.revoke_of_client(session, client_id, at)


async def resume(session: AsyncSession, client_id: str, *, at: datetime, by: str | None = None) -> bool:
    """Resume a suspended client; False when it was active.

    Its revoked tokens stay revoked.

    A dynamically registered client becomes proposed again, because its current metadata may not have been reviewed.
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
    """Load the client FOR UPDATE. Raises NotFound `client_onbekend`."""
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
