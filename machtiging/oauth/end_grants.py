"""Ending grants: the consent, its codes and its tokens, at once. Codes need no act: redeeming asks the grant."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access import tokens
from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.delegation.queries import machtiging
from machtiging.kernel.ids import GrantId, MachtigingId
from machtiging.oauth.tables import OAuthGrant

_GRANT: Table = OAuthGrant.__table__  # type: ignore[attr-defined]


async def end_grant(session: AsyncSession, grant_id: GrantId, *, at: datetime, reason: str) -> bool:
    """End one grant with its tokens. False when it had ended before (its tokens are closed all the same)."""
    ended = await _end(session, _GRANT.c.id == grant_id, at, reason)
    await tokens.revoke_of_grant(session, grant_id, at)
    return bool(ended)


async def end_grants_of_machtiging(
    session: AsyncSession, machtiging_id: MachtigingId, *, at: datetime, reason: str
) -> int:
    """End every grant under a machtiging, with its tokens; tells how many. Call this after revoking the machtiging.

    Safety does not hang on it: redeeming, introspection and the bearer door ask the machtiging itself.
    """
    ended = await _end(session, _GRANT.c.machtiging_id == machtiging_id, at, reason)
    await tokens.revoke_of_machtiging(session, machtiging_id, at)
    return len(ended)


async def _end(session: AsyncSession, which: ColumnElement[bool], at: datetime, reason: str) -> list[Row[Any]]:
    ending = update(_GRANT).where(which, _GRANT.c.ended_at.is_(None)).values(ended_at=at, end_reason=reason)
    ended = list(await session.execute(ending.returning(*_GRANT.c)))
    for grant in ended:
        held = None if grant.machtiging_id is None else await machtiging(session, grant.machtiging_id)
        line = Line(
            act=JournalAct.GRANT_BEEINDIGD,
            outcome=Outcome.DONE,
            reason=reason,
            actor_id=grant.person_id,
            capacity=None if held is None else held.capacity,
            client_id=grant.client_id,
            for_person_id=grant.person_id if held is None else held.vertegenwoordigde_id,
            machtiging_id=grant.machtiging_id,
            object_kind="grant",
            object_id=str(grant.id),
        )
        await record(session, line, at=at)
    return ended
