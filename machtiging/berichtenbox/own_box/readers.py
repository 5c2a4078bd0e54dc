"""The people who opened a letter, for its owner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.queries import load_lines_about_object
from machtiging.berichtenbox.queries import READER_MARK
from machtiging.kernel.ids import BerichtId, PersonId


@dataclass(frozen=True, slots=True)
class BerichtReader:
    """A helper who opened a letter, and the machtiging and organisation used.

    `opened_at` is the first time.
    """

    person_id: PersonId
    opened_at: datetime
    machtiging_id: UUID | None
    organisation_id: UUID | None


async def load_readers(session: AsyncSession, owner_id: PersonId, bericht_id: BerichtId) -> list[BerichtReader]:
    """Load the helpers who opened this letter, first one first. Two statements; one if nobody did.

    The mark and the journal line of an access have the same instant, which the index on the journal finds.
    """
    marks = (await session.execute(select(READER_MARK).where(READER_MARK.c.bericht_id == bericht_id))).all()
    if not marks:
        return []
    instants = {mark.first_read_at for mark in marks}
    lines = {
        (line.actor_id, line.occurred_at): line
        for line in await load_lines_about_object(session, owner_id, str(bericht_id), instants)
        if line.act == JournalAct.BERICHT_LEZEN and line.outcome == JournalOutcome.ALLOWED
    }
    readers = []
    for mark in sorted(marks, key=lambda mark: (mark.first_read_at, mark.person_id)):
        line = lines.get((mark.person_id, mark.first_read_at))
        readers.append(
            BerichtReader(
                PersonId(mark.person_id),
                mark.first_read_at,
                None if line is None else line.machtiging_id,
                None if line is None else line.on_behalf_of,
            )
        )
    return readers
