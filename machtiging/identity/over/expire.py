"""Sessions that have been idle too long or have come to their absolute end: ended for good, each once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Table, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.identity.session import Over, SessionLimits
from machtiging.identity.tables import LoginSession
from machtiging.kernel.ids import PersonId

_SESSION: Table = LoginSession.__table__  # type: ignore[attr-defined]
EXPIRED = "sessie_verlopen"


def has_expired(limits: SessionLimits, at: datetime) -> ColumnElement[bool]:
    """Whether a session opens nothing any more, as its own visits judge it: by the limits of now and of then."""
    return or_(
        _SESSION.c.expires_at <= at,
        _SESSION.c.created_at <= at - limits.absolute,
        _SESSION.c.last_seen_at <= at - limits.idle,
    )


async def expire_some(session: AsyncSession, limits: SessionLimits, *, at_most: int, at: datetime) -> list[Over]:
    """End up to so many sessions that are over, passing by those that somebody holds; tells which.

    Of all workers one ends a session, so that whoever has to be told is told once.
    """
    waiting = select(_SESSION.c.id).where(_SESSION.c.ended_at.is_(None), has_expired(limits, at))
    # A CTE, for the reason that `storage.sweep` gives.
    mine = waiting.limit(at_most).with_for_update(skip_locked=True).cte("mine")
    ending = update(_SESSION).where(_SESSION.c.id.in_(select(mine.c.id))).values(ended_at=at)
    rows = await session.execute(ending.returning(_SESSION.c.person_id, _SESSION.c.sid))
    over = [Over(PersonId(row.person_id), row.sid) for row in rows]
    for one in over:
        # The actor, as for logging out: it was her session, and nobody else did anything.
        line = Line(JournalAct.SESSIE_BEEINDIGD, Outcome.DONE, EXPIRED, actor_id=one.person_id)
        await record(session, line, at=at)
    return over
