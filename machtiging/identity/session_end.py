"""End sessions without logout: by their time limits, or by an operator.

Each session ends exactly once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.identity.rules import SessionLimits
from machtiging.identity.session import EndedSession
from machtiging.identity.tables import LoginSession, Person
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import NotFound
from machtiging.kernel.ids import PersonId
from machtiging.storage.columns import table_of

_SESSION = table_of(LoginSession)
_PERSON = table_of(Person)
SESSION_EXPIRED = "sessie_verlopen"


def expiry_condition(limits: SessionLimits, at: datetime) -> ColumnElement[bool]:
    """Return the SQL condition for expired sessions. It matches the check at each request.

    It uses the current limits and those of the moment of login.
    """
    return or_(
        _SESSION.c.expires_at <= at,
        _SESSION.c.created_at <= at - limits.absolute_timeout,
        _SESSION.c.last_seen_at <= at - limits.idle_timeout,
    )


async def expire_session_batch(
    session: AsyncSession, limits: SessionLimits, *, limit: int, at: datetime
) -> list[EndedSession]:
    """End at most `limit` expired sessions, skipping locked rows. Returns the ended sessions.

    With several workers, only one of them ends a given session. So each logout notice is sent once.
    """
    waiting = select(_SESSION.c.id).where(_SESSION.c.ended_at.is_(None), expiry_condition(limits, at))
    # A CTE: see `storage.sweep` for the reason.
    mine = waiting.limit(limit).with_for_update(skip_locked=True).cte("mine")
    ending = update(_SESSION).where(_SESSION.c.id.in_(select(mine.c.id))).values(ended_at=at)
    rows = await session.execute(ending.returning(_SESSION.c.person_id, _SESSION.c.sid))
    over = [EndedSession(PersonId(row.person_id), row.sid) for row in rows]
    for one in over:
        # The person is the actor, as at logout: it was her session and nobody else acted.
        line = NewJournalLine(JournalAct.SESSIE_BEEINDIGD, JournalOutcome.DONE, SESSION_EXPIRED, actor_id=one.person_id)
        await record(session, line, at=at)
    return over


@dataclass(frozen=True, slots=True)
class ActiveSession:
    """An active session, without its token. It ends at `idle_expires_at` unless there is new activity."""

    assurance: Assurance
    started_at: datetime
    last_seen_at: datetime
    idle_expires_at: datetime
    expires_at: datetime


async def require_person(session: AsyncSession, person_id: UUID) -> PersonId:
    """Check that this person exists. Raises NotFound `persoon_onbekend`."""
    if await session.scalar(select(_PERSON.c.id).where(_PERSON.c.id == person_id)) is None:
        raise NotFound("persoon_onbekend")
    return PersonId(person_id)


async def load_active_sessions(
    session: AsyncSession, person_id: PersonId, limits: SessionLimits, *, at: datetime
) -> list[ActiveSession]:
    """Load the active sessions of a person, newest first."""
    going_on = (_SESSION.c.person_id == person_id, _SESSION.c.ended_at.is_(None), ~expiry_condition(limits, at))
    found = await session.execute(select(_SESSION).where(*going_on).order_by(_SESSION.c.created_at.desc()))
    return [
        ActiveSession(
            assurance=Assurance(row.assurance),
            started_at=row.created_at,
            last_seen_at=row.last_seen_at,
            idle_expires_at=row.last_seen_at + limits.idle_timeout,
            expires_at=min(row.expires_at, row.created_at + limits.absolute_timeout),
        )
        for row in found
    ]


async def end_all_sessions(session: AsyncSession, person_id: PersonId, *, at: datetime) -> list[EndedSession]:
    """End all sessions of this person. Returns the ended sessions. The caller writes the journal line."""
    mine = select(_SESSION.c.id).where(_SESSION.c.person_id == person_id, _SESSION.c.ended_at.is_(None))
    locked = mine.order_by(_SESSION.c.id).with_for_update()
    ending = update(_SESSION).where(_SESSION.c.id.in_(locked)).values(ended_at=at).returning(_SESSION.c.sid)
    return [EndedSession(person_id, sid) for sid in await session.scalars(ending)]
