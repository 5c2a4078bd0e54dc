"""The machtigingen in the record of one person, for the auditor and the privacy officer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.rules import Capacity, Channel, MachtigingState
from machtiging.delegation.tables import SEALED_MACHTIGING, AgreementRow, MachtigingRow
from machtiging.kernel.ids import PersonId
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import verify_row

MAX_LISTED = 200
_MACHTIGING, _AGREEMENT = table_of(MachtigingRow), table_of(AgreementRow)


@dataclass(frozen=True, slots=True)
class RecordedMachtiging:
    """A machtiging that the person gave or holds. `authentic`: False if its row is not as we wrote it."""

    id: UUID
    gave: bool
    capacity: Capacity
    channel: Channel
    state: MachtigingState
    offered_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    authentic: bool


async def list_recorded_machtigingen(session: AsyncSession, person_id: PersonId) -> Sequence[RecordedMachtiging]:
    """List what this person gave and holds, the newest first, at most MAX_LISTED."""
    hers = or_(_MACHTIGING.c.vertegenwoordigde_id == person_id, _MACHTIGING.c.gemachtigde_id == person_id)
    agreed = (_AGREEMENT.c.machtiging_id == _MACHTIGING.c.id) & (_AGREEMENT.c.number == _MACHTIGING.c.agreement_number)
    query = (
        select(_MACHTIGING, _AGREEMENT.c.channel, _AGREEMENT.c.ends_at)
        .join(_AGREEMENT, agreed)
        .where(hers, _MACHTIGING.c.parent_id.is_(None))
        .order_by(_MACHTIGING.c.id.desc())
        .limit(MAX_LISTED)
    )
    return [
        RecordedMachtiging(
            id=row.id,
            gave=row.vertegenwoordigde_id == person_id,
            capacity=Capacity(row.capacity),
            channel=Channel(row.channel),
            state=MachtigingState(row.state),
            offered_at=row.offered_at,
            ends_at=row.ends_at,
            ended_at=row.ended_at,
            authentic=verify_row(session, SEALED_MACHTIGING, row),
        )
        for row in await session.execute(query)
    ]
