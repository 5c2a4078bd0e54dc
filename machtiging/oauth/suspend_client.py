"""Suspend a client and revoke its tokens, or resume it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Table, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access_tokens import token_revocation
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, attribute_to_operator, record
from machtiging.audit.row_authentication import authenticate_row
from machtiging.kernel.errors import Conflict, NotFound
from machtiging.oauth.tables import (
    SEALED_CLIENT,
    AuthorizationCode,
    BackchannelRequest,
    OAuthClient,
    PushedRequest,
    RefreshToken,
)
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import reseal_changes

_CLIENT = table_of(OAuthClient)
_REFRESH_TOKEN = table_of(RefreshToken)
_BACKCHANNEL_REQUEST = table_of(BackchannelRequest)
_PENDING_TABLES: tuple[Table, ...] = (
    table_of(PushedRequest),
    table_of(AuthorizationCode),
    _BACKCHANNEL_REQUEST,
)
_ACTIVE, _PROPOSED, _SUSPENDED = "active", "proposed", "suspended"


async def suspend_client(session: AsyncSession, client_id: str, *, at: datetime, operator: str | None = None) -> int:
    """Suspend a client and revoke all its access.

    Returns the number of tokens.

    Consents and machtigingen of people stay as they are. Waits for tokens in issuance (`queries.lock_active_client`),
    so none is missed. Raises NotFound `client_onbekend`.
    """
    row = await _lock_client(session, client_id)
    closed = await revoke_client_access(session, client_id, at=at)
    if row.state != _SUSPENDED:
        facts = {"tokens": closed}
        line = NewJournalLine(
            JournalAct.CLIENT_GESCHORST, JournalOutcome.DONE, "geschorst", client_id=client_id, facts=facts
        )
        await _change_client_state(session, row, _SUSPENDED, attribute_to_operator(line, operator), at)
    return closed


async def revoke_client_access(session: AsyncSession, client_id: str, *, at: datetime) -> int:
    """Revoke all tokens, codes and pending requests of a client.

    Returns the number of tokens.

    None of them becomes valid again when the client is resumed. The caller must hold the lock on the client's row. Rows
    locked by another transaction are skipped: that transaction locks the client next, and finds it suspended.
    """
    for table in _PENDING_TABLES:
        theirs = select(*table.primary_key).where(table.c.client_id == client_id, table.c.expires_at > at)
        free = theirs.with_for_update(skip_locked=True)
        await session.execute(update(table).where(*(key.in_(free) for key in table.primary_key)).values(expires_at=at))
    # A poll of a pending CIBA request does not lock the client next, so these rows are waited for, not skipped.
    asking = update(_BACKCHANNEL_REQUEST).where(
        _BACKCHANNEL_REQUEST.c.client_id == client_id, _BACKCHANNEL_REQUEST.c.state == "pending"
    )
    await session.execute(asking.where(_BACKCHANNEL_REQUEST.c.expires_at > at).values(expires_at=at))
    await session.execute(delete(_REFRESH_TOKEN).where(_REFRESH_TOKEN.c.client_id == client_id))
    return await token_revocation.revoke_tokens_of_client(session, client_id, at)


async def resume_client(session: AsyncSession, client_id: str, *, at: datetime, operator: str | None = None) -> bool:
    """Resume a suspended client; False when it was active.

    Its revoked tokens stay revoked.

    A dynamically registered client becomes proposed again, because its current metadata may not have been reviewed.
    Raises NotFound `client_onbekend`, Conflict `client_niet_geschorst` for one that was never approved, and
    `client_teruggetrokken` for one that withdrew itself.
    """
    row = await _lock_client(session, client_id)
    if not await authenticate_row(session, SEALED_CLIENT, row, at=at):
        raise _unknown_client_error()
    if row.withdrawn_at is not None:
        raise Conflict("client_teruggetrokken")
    if row.state == _ACTIVE:
        return False
    if row.state != _SUSPENDED:
        raise Conflict("client_niet_geschorst")
    to = _PROPOSED if row.by_program else _ACTIVE
    line = NewJournalLine(JournalAct.CLIENT_HERVAT, JournalOutcome.DONE, "hervat", client_id=client_id)
    await _change_client_state(session, row, to, attribute_to_operator(line, operator), at)
    return True


async def _lock_client(session: AsyncSession, client_id: str) -> Row[Any]:
    """Load the client FOR UPDATE. Raises NotFound `client_onbekend`."""
    mine = select(_CLIENT).where(_CLIENT.c.client_id == client_id).with_for_update()
    row = (await session.execute(mine)).one_or_none()
    if row is None:
        raise _unknown_client_error()
    return row


def _unknown_client_error() -> NotFound:
    return NotFound("client_onbekend")


async def _change_client_state(
    session: AsyncSession, row: Row[Any], state: str, journal_line: NewJournalLine, at: datetime
) -> None:
    values = reseal_changes(session, SEALED_CLIENT, row, {"state": state})
    await session.execute(update(_CLIENT).where(_CLIENT.c.client_id == row.client_id).values(values))
    await record(session, journal_line, at=at)
