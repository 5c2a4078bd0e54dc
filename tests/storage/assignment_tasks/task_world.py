"""Tasks of an organisation, asked and carried out in transactions of their own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from machtiging.delegation.assignment_tasks.creation import request_assignments
from machtiging.delegation.assignment_tasks.execution import run_due_items, run_next_item
from machtiging.delegation.assignments.rules import AssignmentRequest
from machtiging.kernel.clock import SettableClock
from machtiging.kernel.errors import Refusal
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.tasks.queries import TaskItemView, TaskView, list_items, load_task
from machtiging.tasks.tables import Task, TaskItem
from tests.builders.keys import NOON, load_keyring
from tests.builders.rows import TableReader
from tests.storage.assignments.assignment_world import Assignments

TASKS, ITEMS = TableReader(Task), TableReader(TaskItem)


@dataclass
class TaskWorld:
    """The organisation `office`, and a clock for asker and worker."""

    office: Assignments
    clock: SettableClock = field(default_factory=lambda: SettableClock(NOON))

    @property
    def database(self) -> Any:
        return self.office.database

    async def ask(self, *clients: Any, employee: UUID | None = None, **changes: Any) -> Any:
        """Ask a task for these machtigingen, as the teamleider. Returns its id, or the code of the refusal."""
        login, key = changes.pop("login", None), changes.pop("key", None)
        holder = employee or self.office.worker_id
        requests = [AssignmentRequest(one, holder, **changes) for one in clients]
        try:
            async with unit_of_work(self.database.sessions) as session:
                return await request_assignments(
                    session,
                    load_keyring(),
                    login or self.office.login(),
                    requests,
                    idempotency_key=key,
                    at=self.clock.now(),
                )
        except Refusal as refusal:
            return refusal.code

    async def work(self) -> int:
        """One round of a worker."""
        return await run_due_items(self.database.sessions, load_keyring(), self.clock, asyncio.Event())

    async def do_one(self) -> bool:
        """One item of whatever task is next."""
        return await run_next_item(self.database.sessions, load_keyring(), self.clock)

    async def task(self, task_id: UUID) -> TaskView:
        async with self.database.sessions() as session:
            found = await load_task(session, task_id, at=self.clock.now())
        assert found is not None
        return found

    async def items(self, task_id: UUID) -> list[TaskItemView]:
        async with self.database.sessions() as session:
            return await list_items(session, task_id, at=self.clock.now())

    async def results(self, task_id: UUID) -> list[str]:
        """The state of each item, or the code of its refusal."""
        found = await self.items(task_id)
        return [one.state.value if one.refusal is None else one.refusal.code for one in found]
