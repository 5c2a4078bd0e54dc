"""The sessions of one person, for an operator to list and end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.identity.over.expire import has_expired
from machtiging.identity.rules import SessionLimits
from machtiging.identity.session import Over
from machtiging.identity.tables import LoginSession, Person
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import NotFound
from machtiging.kernel.ids import PersonId

_SESSION: Table = LoginSession.__table__  # type: ignore[attr-defined]
_PERSON: Table = Person.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Shown:
    """An active session, without its token. It ends at `idle_expires_at` unless there is new activity."""

    assurance: Assurance
    began_at: datetime
    seen_at: datetime
    idle_at: datetime
    ends_at: datetime


async def check_known(session: AsyncSession, person_id: UUID) -> PersonId:
    """Check that this person exists. Raises NotFound `persoon_onbekend`."""
    if await session.scalar(select(_PERSON.c.id).where(_PERSON.c.id == person_id)) is None:
        raise NotFound("persoon_onbekend", "Deze persoon kennen wij niet.")
    return PersonId(person_id)


async def sessions_of(
    session: AsyncSession, person_id: PersonId, limits: SessionLimits, *, at: datetime
) -> list[Shown]:
    """Load the active sessions of a person, newest first."""
    going_on = (_SESSION.c.person_id == person_id, _SESSION.c.ended_at.is_(None), ~has_expired(limits, at))
    found = await session.execute(select(_SESSION).where(*going_on).order_by(_SESSION.c.created_at.desc()))
    return [
        Shown(
            assurance=Assurance(row.assurance),
            began_at=row.created_at,
            seen_at=row.last_seen_at,
            idle_at=row.last_seen_at + limits.idle,
            ends_at=min(row.expires_at, row.created_at + limits.absolute),
        )
        for row in found
    ]


async def end_all_of(session: AsyncSession, person_id: PersonId, *, at: datetime) -> list[Over]:
    """End all sessions of this person. Returns the ended sessions. The caller writes the journal line."""
    mine = select(_SESSION.c.id).where(_SESSION.c.person_id == person_id, _SESSION.c.ended_at.is_(None))
    held = mine.order_by(_SESSION.c.id).with_for_update()
    ending = update(_SESSION).where(_SESSION.c.id.in_(held)).values(ended_at=at).returning(_SESSION.c.sid)
    return [Over(person_id, sid) for sid in await session.scalars(ending)]
