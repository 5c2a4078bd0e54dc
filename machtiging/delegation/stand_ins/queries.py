"""Load the stand-ins of an organisation that run now or come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.row_authentication import authenticate_row
from machtiging.kernel.clock import last_day_before, to_dutch_date
from machtiging.organisations.tables import SEALED_STAND_IN, StandIn
from machtiging.storage.columns import table_of

MAX_PAGE_SIZE = 200
_STAND_IN = table_of(StandIn)


class StandInState(StrEnum):
    """A stand-in that runs, or that begins later."""

    RUNS = "loopt"
    COMES = "gepland"


@dataclass(frozen=True, slots=True)
class StandInView:
    """A stand-in with its days."""

    id: UUID
    absent_id: UUID
    replacement_id: UUID
    first_day: date
    last_day: date
    state: StandInState


async def list_stand_ins(
    session: AsyncSession, organisation_id: UUID, *, at: datetime, after: UUID | None = None, limit: int = MAX_PAGE_SIZE
) -> list[StandInView]:
    """List the stand-ins of this organisation that are not over, in order of id (keyset). Forged rows are left out."""
    mine = (_STAND_IN.c.organisation_id == organisation_id, _STAND_IN.c.ended_at.is_(None), _STAND_IN.c.ends_at > at)
    query = select(_STAND_IN).where(*mine).order_by(_STAND_IN.c.id).limit(limit)
    if after is not None:
        query = query.where(_STAND_IN.c.id > after)
    return [
        StandInView(
            id=row.id,
            absent_id=row.absent_employee_id,
            replacement_id=row.replacement_id,
            first_day=to_dutch_date(row.starts_at),
            last_day=last_day_before(row.ends_at),
            state=StandInState.RUNS if row.starts_at <= at else StandInState.COMES,
        )
        for row in (await session.execute(query)).all()
        if await authenticate_row(session, SEALED_STAND_IN, row, at=at)
    ]
