"""Load a task for the employee who asked it, or an organisatiebeheerder."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.assignments.rules import ActingLeader
from machtiging.kernel.errors import NotFound
from machtiging.organisations.rules import EmployeeRole
from machtiging.tasks.queries import TaskView, list_tasks, load_task


async def load_visible_task(session: AsyncSession, leader: ActingLeader, task_id: UUID, *, at: datetime) -> TaskView:
    """Load a task that this employee may see. Raises NotFound `taak_onbekend` for all others alike."""
    task = await load_task(session, task_id, at=at)
    if task is None or task.organisation_id != leader.organisation.id or not _may_see(leader, task):
        raise NotFound("taak_onbekend")
    return task


async def list_visible_tasks(session: AsyncSession, leader: ActingLeader, *, at: datetime) -> list[TaskView]:
    """List the newest tasks that this employee asked.

    For an organisatiebeheerder with the open ones of colleagues.
    """
    open_of = leader.organisation.id if EmployeeRole.ADMINISTRATOR in leader.employee.roles else None
    return await list_tasks(session, leader.employee.id, open_of, at=at)


def _may_see(leader: ActingLeader, task: TaskView) -> bool:
    return task.employee_id == leader.employee.id or EmployeeRole.ADMINISTRATOR in leader.employee.roles
