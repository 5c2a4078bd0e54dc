"""Journal lines of stand-ins, with the whole new state of the row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.audit.state_facts import state_facts
from machtiging.delegation.assignments.journal_lines import AssignmentAct
from machtiging.organisations.tables import SEALED_STAND_IN

OBJECT_KIND = "vervanging"


async def journal_stand_in(session: AsyncSession, act: AssignmentAct, row: Row[Any]) -> None:
    """Journal a stand-in that was made or ended."""
    line = NewJournalLine(
        act=act.act,
        outcome=JournalOutcome.DONE,
        reason=act.act.value.split(":")[1],
        actor_id=act.person_id,
        capacity=None if act.leader is None else act.leader.capacity,
        object_kind=OBJECT_KIND,
        object_id=str(row.id),
        facts=state_facts([(SEALED_STAND_IN, row._mapping)]),  # noqa: SLF001 - the public way to the columns
        on_behalf_of=row.organisation_id,
    )
    await record(session, line, at=act.at)
