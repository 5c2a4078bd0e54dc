"""The sessions of one person, for an operator to list and end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.identity.rules import SessionLimits
from machtiging.identity.session import EndedSession
from machtiging.identity.session_end.expiry import expiry_condition
from machtiging.identity.tables import LoginSession, Person
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import NotFound
from machtiging.kernel.ids import PersonId

_SESSION: Table = LoginSession.__table__  # type: ignore[attr-defined]
_PERSON: Table = Person.__table__  # type: ignore[attr-defined]


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
        raise NotFound("persoon_onbekend", "Deze persoon kennen wij niet.")
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
    held = mine.order_by(_SESSION.c.id).with_for_update()
    ending = update(_SESSION).where(_SESSION.c.id.in_(held)).values(ended_at=at).returning(_SESSION.c.sid)
    return [EndedSession(person_id, sid) for sid in await session.scalars(ending)]
