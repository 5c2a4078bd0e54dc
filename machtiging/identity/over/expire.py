"""End sessions past their idle timeout or absolute timeout. Each session ends exactly once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Table, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.identity.rules import SessionLimits
from machtiging.identity.session import Over
from machtiging.identity.tables import LoginSession
from machtiging.kernel.ids import PersonId

_SESSION: Table = LoginSession.__table__  # type: ignore[attr-defined]
EXPIRED = "sessie_verlopen"


def has_expired(limits: SessionLimits, at: datetime) -> ColumnElement[bool]:
    """Return the SQL condition for expired sessions. It matches the check at each request.

    It uses the current limits and those of the moment of login.
    """
    return or_(
        _SESSION.c.expires_at <= at,
        _SESSION.c.created_at <= at - limits.absolute,
        _SESSION.c.last_seen_at <= at - limits.idle,
    )


async def expire_some(session: AsyncSession, limits: SessionLimits, *, at_most: int, at: datetime) -> list[Over]:
    """End at most `limit` expired sessions, skipping locked rows. Returns the ended sessions.

    With several workers, only one of them ends a given session. So each logout notice is sent once.
    """
    waiting = select(_SESSION.c.id).where(_SESSION.c.ended_at.is_(None), has_expired(limits, at))
    # A CTE: see `storage.sweep` for the reason.
    mine = waiting.limit(at_most).with_for_update(skip_locked=True).cte("mine")
    ending = update(_SESSION).where(_SESSION.c.id.in_(select(mine.c.id))).values(ended_at=at)
    rows = await session.execute(ending.returning(_SESSION.c.person_id, _SESSION.c.sid))
    over = [Over(PersonId(row.person_id), row.sid) for row in rows]
    for one in over:
        # The person is the actor, as at logout: it was her session and nobody else acted.
        line = Line(JournalAct.SESSIE_BEEINDIGD, Outcome.DONE, EXPIRED, actor_id=one.person_id)
        await record(session, line, at=at)
    return over
