"""Load a task for the employee who asked it, or an organisatiebeheerder."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.assignments.rules import ActingLeader
from machtiging.kernel.errors import NotFound
from machtiging.organisations.rules import EmployeeRole
from machtiging.tasks.queries import TaskView, load_task


async def load_visible_task(session: AsyncSession, leader: ActingLeader, task_id: UUID, *, at: datetime) -> TaskView:
    """Load a task that this employee may see. Raises NotFound `taak_onbekend` for all others alike."""
    task = await load_task(session, task_id, at=at)
    if task is None or task.organisation_id != leader.organisation.id or not _may_see(leader, task):
        raise NotFound("taak_onbekend")
    return task


def _may_see(leader: ActingLeader, task: TaskView) -> bool:
    return task.employee_id == leader.employee.id or EmployeeRole.ADMINISTRATOR in leader.employee.roles
