"""Open a hand-over: clients who lost their reader, each waiting once, until a date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalOutcome
from machtiging.audit.journal import NewJournalLine, record, record_all
from machtiging.audit.state_facts import state_facts
from machtiging.delegation.tables import SEALED_HANDOVER, Handover
from machtiging.delegation.waiting_clients.items import insert_items
from machtiging.delegation.waiting_clients.rules import HandoverOccasion
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.organisations.journal_lines import OrganisationAct, build_actor_line
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import seal_row

_HANDOVER = table_of(Handover)


async def open_handover(
    session: AsyncSession,
    act: OrganisationAct,
    employee_id: UUID,
    occasion: HandoverOccasion,
    waiting: Mapping[UUID, PersonId],
) -> UUID:
    """Insert the hand-over of an employee with its clients. One journal line for it, and one for each client.

    `waiting`: the clients by machtiging, none of whom waits already. Lock the readers of the organisation first.
    """
    handover_id = uuid7()
    values = {
        "id": handover_id,
        "organisation_id": act.organisation_id,
        "employee_id": employee_id,
        "occasion": occasion.value,
        "opened_at": act.at,
    }
    row = seal_row(session, SEALED_HANDOVER, values)
    await session.execute(insert(_HANDOVER).values(row))
    line = NewJournalLine(act=act.act, outcome=JournalOutcome.DONE, reason=occasion.value, object_kind=act.object_kind)
    line = build_actor_line(act, line)
    opened = replace(line, object_id=str(handover_id))
    facts = state_facts([(SEALED_HANDOVER, row)])
    await record(session, replace(opened, facts={**line.facts, **facts}), at=act.at)
    ids, lines = sorted(waiting), []
    items = await insert_items(session, handover_id, ids, at=act.at)
    for machtiging_id, item in zip(ids, items, strict=True):
        named = replace(opened, for_person_id=waiting[machtiging_id], machtiging_id=machtiging_id)
        lines.append((replace(named, facts={**line.facts, **state_facts([item])}), uuid7()))
    await record_all(session, lines, at=act.at)
    return handover_id
