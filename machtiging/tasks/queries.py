"""Read tasks: their progress, and the result of each item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.row_authentication import authenticate_row
from machtiging.kernel.errors import Refusal
from machtiging.storage.columns import table_of
from machtiging.tasks.rules import CANCELLED, TaskItemState, TaskKind
from machtiging.tasks.tables import SEALED_TASK, SEALED_TASK_ITEM, Task, TaskItem

MAX_PAGE_SIZE = 200
_TASK, _ITEM = table_of(Task), table_of(TaskItem)
_IS_REFUSED = _ITEM.c.state == TaskItemState.REFUSED.value
_IS_CANCELLED = _ITEM.c.reason["code"].astext == CANCELLED


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task and its progress. `finished_at` is None while a worker has something to do."""

    id: UUID
    kind: TaskKind
    organisation_id: UUID
    employee_id: UUID
    request_digest: bytes
    total: int
    done: int
    refused: int
    cancelled: int
    created_at: datetime
    finished_at: datetime | None

    @property
    def waiting(self) -> int:
        """The number of items that nobody has done yet."""
        return self.total - self.done - self.refused - self.cancelled


@dataclass(frozen=True, slots=True)
class TaskItemView:
    """The result of one item. `refusal` is None unless it was refused or cancelled."""

    number: int
    subject_id: UUID
    state: TaskItemState
    result_id: UUID | None
    refusal: Refusal | None

    @property
    def is_cancelled(self) -> bool:
        """True if the task was cancelled before anybody did this item."""
        return self.refusal is not None and self.refusal.code == CANCELLED


async def load_task(session: AsyncSession, task_id: UUID, *, at: datetime) -> TaskView | None:
    """Load a task with its counts. None for an unknown or forged one."""
    row = (await session.execute(_select_tasks().where(_TASK.c.id == task_id))).one_or_none()
    if row is None or not await authenticate_row(session, SEALED_TASK, row, at=at):
        return None
    return _build_task(row)


async def list_tasks(
    session: AsyncSession, employee_id: UUID, open_of: UUID | None, *, at: datetime, limit: int = 50
) -> list[TaskView]:
    """List the newest tasks of an employee, with the open ones of the organisation `open_of`."""
    wanted = _TASK.c.employee_id == employee_id
    if open_of is not None:
        wanted |= (_TASK.c.organisation_id == open_of) & _TASK.c.finished_at.is_(None)
    newest = _select_tasks().where(wanted).order_by(_TASK.c.created_at.desc(), _TASK.c.id).limit(limit)
    rows = (await session.execute(newest)).all()
    return [_build_task(row) for row in rows if await authenticate_row(session, SEALED_TASK, row, at=at)]


def _select_tasks() -> Select[Any]:
    """Build the select of tasks with the numbers of their items."""
    counts = [
        select(func.count())
        .select_from(_ITEM)
        .where(_ITEM.c.task_id == _TASK.c.id, *wanted)
        .scalar_subquery()
        .label(name)
        for name, wanted in (
            ("done", (_ITEM.c.state == TaskItemState.DONE.value,)),
            ("refused", (_IS_REFUSED, ~_IS_CANCELLED)),
            ("cancelled", (_IS_REFUSED, _IS_CANCELLED)),
        )
    ]
    return select(*_TASK.c, *counts)


def _build_task(row: Row[Any]) -> TaskView:
    return TaskView(
        id=row.id,
        kind=TaskKind(row.kind),
        organisation_id=row.organisation_id,
        employee_id=row.employee_id,
        request_digest=row.request_digest,
        total=row.total,
        done=row.done,
        refused=row.refused,
        cancelled=row.cancelled,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


async def list_items(
    session: AsyncSession,
    task_id: UUID,
    *,
    at: datetime,
    after: int | None = None,
    limit: int = MAX_PAGE_SIZE,
    only: TaskItemState | None = None,
) -> list[TaskItemView]:
    """List the items in the order of the request (keyset on the number). Leaves out forged ones."""
    query = select(_ITEM).where(_ITEM.c.task_id == task_id)
    if after is not None:
        query = query.where(_ITEM.c.number > after)
    if only is not None:
        query = query.where(_ITEM.c.state == only.value)
    rows = (await session.execute(query.order_by(_ITEM.c.number).limit(limit))).all()
    return [
        TaskItemView(row.number, row.subject_id, TaskItemState(row.state), row.result_id, _build_refusal(row.reason))
        for row in rows
        if await authenticate_row(session, SEALED_TASK_ITEM, row, at=at)
    ]


def describe_reason(refusal: Refusal) -> dict[str, object]:
    """Describe a refusal as an item stores it."""
    message = refusal.message
    params = {} if message is None else dict(message.params)
    return {"code": refusal.code, "message": "" if message is None else message.key, "params": params}


def _build_refusal(reason: Mapping[str, Any] | None) -> Refusal | None:
    if reason is None:
        return None
    return Refusal(str(reason["code"]), message=str(reason["message"]), params=reason["params"])
