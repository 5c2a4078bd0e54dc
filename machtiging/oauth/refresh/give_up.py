"""Revocation of a refresh token by its client (RFC 7009): ends the grant."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.oauth.end_grants import Ending, end_grant
from machtiging.oauth.refresh.look import Kept


async def revoke_kept(session: AsyncSession, token: Kept, *, at: datetime) -> None:
    """End the grant of this token, used or not. A second call changes and journals nothing."""
    if not await end_grant(session, token.grant_id, Ending("token_ingetrokken"), at=at):
        return
    held = token.machtiging
    line = Line(
        act=JournalAct.TOKEN_INGETROKKEN,
        outcome=Outcome.DONE,
        reason="door_client",
        client_id=token.client_id,
        for_person_id=token.person_id if held is None else held.vertegenwoordigde_id,
        machtiging_id=None if held is None else held.id,
        object_kind="grant",
        object_id=str(token.grant_id),
    )
    await record(session, line, at=at)
