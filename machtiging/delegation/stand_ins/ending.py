"""End a stand-in before its last day. Takes effect with the next request."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.audit.state_facts import state_facts
from machtiging.delegation.assignments.ended_links import LINK, end_links, lock_live_links
from machtiging.delegation.assignments.journal_lines import AssignmentAct, journal_refused_call
from machtiging.delegation.assignments.queries import load_present_employee
from machtiging.delegation.assignments.rules import EmployeeLogin, require_leading_role
from machtiging.delegation.stand_ins.journal_lines import OBJECT_KIND, journal_stand_in
from machtiging.delegation.waiting_clients.locks import lock_readers_of_login
from machtiging.kernel.errors import Conflict, NotFound
from machtiging.organisations.tables import SEALED_STAND_IN, StandIn
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import reseal_changes

_STAND_IN = table_of(StandIn)


async def end_stand_in(session: AsyncSession, login: EmployeeLogin, stand_in_id: UUID, *, at: datetime) -> None:
    """End a stand-in of the own organisation, with its links. It needs no recognition: ending gives nothing.

    A refusal is journalled. Raises NotAllowed as `end_assignments`, NotFound `vervanging_onbekend` for that of others
    too, and Conflict `vervanging_beeindigd` for one that is over.
    """
    act = AssignmentAct(JournalAct.VERVANGING_BEEINDIGD, login.person_id, at)
    await lock_readers_of_login(session, login.kvk, exclusive=True)
    async with journal_refused_call(session, act):
        leader = await load_present_employee(session, login, at=at)
    act = replace(act, leader=leader)
    async with journal_refused_call(session, act):
        require_leading_role(leader.employee)
        mine = (_STAND_IN.c.id == stand_in_id, _STAND_IN.c.organisation_id == leader.organisation.id)
        row = (await session.execute(select(_STAND_IN).where(*mine).with_for_update(key_share=True))).one_or_none()
        if row is None:
            raise NotFound("vervanging_onbekend")
        if row.ended_at is not None or row.ends_at <= at:
            raise Conflict("vervanging_beeindigd")
    await journal_stand_in(session, act, await _end_row(session, row, at))
    line = NewJournalLine(
        act=JournalAct.TOEWIJZING_BEEINDIGD,
        outcome=JournalOutcome.DONE,
        reason=OBJECT_KIND,
        actor_id=login.person_id,
        capacity=leader.capacity,
        object_kind="toewijzing",
        on_behalf_of=leader.organisation.id,
    )
    await end_links(session, await lock_live_links(session, LINK.c.stand_in_id == stand_in_id), line, at=at)


async def end_stand_ins_of_employee(
    session: AsyncSession, employee_id: UUID, line: NewJournalLine, *, at: datetime
) -> None:
    """End every open stand-in of and by an employee who leaves. The links end with the departure itself.

    `line` is the line of the act without its object and state.
    """
    mine = or_(_STAND_IN.c.absent_employee_id == employee_id, _STAND_IN.c.replacement_id == employee_id)
    open_ones = select(_STAND_IN).where(mine, _STAND_IN.c.ended_at.is_(None), _STAND_IN.c.ends_at > at)
    for row in (await session.execute(open_ones.order_by(_STAND_IN.c.id).with_for_update(key_share=True))).all():
        ended = await _end_row(session, row, at)
        facts = state_facts([(SEALED_STAND_IN, ended._mapping)])  # noqa: SLF001 - the public way to the columns
        named = replace(line, act=JournalAct.VERVANGING_BEEINDIGD, object_kind=OBJECT_KIND, object_id=str(row.id))
        await record(session, replace(named, facts={**line.facts, **facts}), at=at)


async def _end_row(session: AsyncSession, row: Row[Any], at: datetime) -> Row[Any]:
    changes = reseal_changes(session, SEALED_STAND_IN, row, {"ended_at": at})
    changed = update(_STAND_IN).where(_STAND_IN.c.id == row.id).values(changes)
    return (await session.execute(changed.returning(*_STAND_IN.c))).one()
