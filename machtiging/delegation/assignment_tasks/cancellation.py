"""Cancel a task: what a worker did stays, and nothing else of it is done."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.delegation.assignment_tasks.viewing import load_visible_task
from machtiging.delegation.assignments.queries import load_viewing_leader, lock_employee_of_login
from machtiging.delegation.assignments.rules import EmployeeLogin
from machtiging.kernel.errors import NotFound
from machtiging.tasks.queries import TaskView, load_task
from machtiging.tasks.queue import cancel_items

_ACT = JournalAct.TOEWIJZING_TAAK_GESTOPT


async def cancel_task(session: AsyncSession, login: EmployeeLogin, task_id: UUID, *, at: datetime) -> TaskView:
    """Cancel what waits in a task, for the employee who asked it or an organisatiebeheerder. Returns it as it is now.

    A finished task stays as it is. Raises as `load_viewing_leader`, and NotFound `taak_onbekend`; both are journalled.
    """
    await lock_employee_of_login(session, login)
    leader = await load_viewing_leader(session, login, at=at, act=_ACT)
    line = NewJournalLine(
        act=_ACT,
        outcome=JournalOutcome.DONE,
        reason="taak_gestopt",
        actor_id=leader.person_id,
        capacity=leader.capacity,
        object_kind="taak",
        on_behalf_of=leader.organisation.id,
    )
    try:
        task = await load_visible_task(session, leader, task_id, at=at)
    except NotFound:
        reason = "bestaat_niet" if await load_task(session, task_id, at=at) is None else "niet_van_u"
        await record(session, replace(line, outcome=JournalOutcome.REFUSED, reason=reason), at=at)
        raise
    count = await cancel_items(session, task.id, at=at)
    if count:
        facts = {"aantal": count, "totaal": task.total}
        await record(session, replace(line, object_id=str(task.id), facts=facts), at=at)
    return await load_visible_task(session, leader, task_id, at=at)
