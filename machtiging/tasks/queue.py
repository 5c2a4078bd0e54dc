"""The queue of task items. An item is claimed, done and marked in one transaction.

So a worker that dies leaves an item as if nobody had touched it, and no item is done twice. Several workers skip the
rows of each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, bindparam, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto.envelope_encryption import DataKey
from machtiging.kernel.errors import ROW_INVALID
from machtiging.kernel.ids import PersonId
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import reseal_changes, seal_row
from machtiging.tasks.rules import CANCELLED, MAX_TRIES, TaskItemState, TaskKind, compute_retry_pause
from machtiging.tasks.tables import SEALED_TASK, SEALED_TASK_ITEM, Task, TaskItem

_TASK, _ITEM = table_of(Task), table_of(TaskItem)
_WAITING = _ITEM.c.state == TaskItemState.WAITING.value
_INSERT_BATCH = 500
_FAILED = "taakregel_mislukt"


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to insert. `request_digest` is a keyed digest of what was asked."""

    id: UUID
    kind: TaskKind
    organisation_id: UUID
    employee_id: UUID
    person_id: PersonId
    assurance: str
    request_digest: bytes


class NewItem(NamedTuple):
    """An item to insert: the id that it is about, and what to do."""

    subject_id: UUID
    content: Mapping[str, Any]


class ItemResult(NamedTuple):
    """The result of an item. `reason`: None if it was done, else the code with its message and parameters."""

    result_id: UUID | None
    reason: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ClaimedItem:
    """An item that this transaction holds, with its task. `is_authentic`: both MACs are valid."""

    item: Row[Any]
    task: Mapping[str, Any]
    is_authentic: bool


async def insert_task(
    session: AsyncSession, key: DataKey, new: NewTask, items: Sequence[NewItem], *, at: datetime
) -> bool:
    """Insert a task with its items. Returns False, and inserts nothing, if a task with this id exists.

    `key`: the data key of the organisation.
    """
    row = {
        "id": new.id,
        "kind": new.kind.value,
        "organisation_id": new.organisation_id,
        "employee_id": new.employee_id,
        "person_id": new.person_id,
        "assurance": new.assurance,
        "total": len(items),
        "request_digest": new.request_digest,
        "created_at": at,
    }
    inserting = upsert(_TASK).values(seal_row(session, SEALED_TASK, row)).on_conflict_do_nothing()
    if await session.scalar(inserting.returning(_TASK.c.id)) is None:
        return False
    for first in range(0, len(items), _INSERT_BATCH):
        batch = enumerate(items[first : first + _INSERT_BATCH], first)
        rows = [_build_item(key, new.id, number, item, at) for number, item in batch]
        await session.execute(insert(_ITEM), [seal_row(session, SEALED_TASK_ITEM, one) for one in rows])
    return True


def _build_item(key: DataKey, task_id: UUID, number: int, item: NewItem, at: datetime) -> dict[str, Any]:
    content = json.dumps(item.content).encode()
    return {
        "task_id": task_id,
        "number": number,
        "subject_id": item.subject_id,
        "content_sealed": key.encrypt(content, *_content_context(task_id, number)),
        "state": TaskItemState.WAITING.value,
        "tries": 0,
        "due_at": at,
    }


def decrypt_content(key: DataKey, item: Any) -> dict[str, Any]:
    """Decrypt what an item does. Raises Fault `versleuteling_klopt_niet`."""
    opened = key.decrypt(item.content_sealed, *_content_context(item.task_id, item.number))
    content: dict[str, Any] = json.loads(opened)
    return content


def _content_context(task_id: UUID, number: int) -> tuple[str, str, str]:
    return ("task_item", f"{task_id}:{number}", "content")


async def claim_item(session: AsyncSession, *, at: datetime) -> ClaimedItem | None:
    """Lock the next due item until the transaction ends; None if there is none.

    Skips items that another worker has. By number first, so the tasks take turns and a small one does not wait.
    """
    task_columns = [column.label(f"t_{column.name}") for column in _TASK.c]
    query = select(*_ITEM.c, *task_columns).join(_TASK, _TASK.c.id == _ITEM.c.task_id)
    due = query.where(_WAITING, _ITEM.c.due_at <= at).order_by(_ITEM.c.number, _ITEM.c.task_id).limit(1)
    row = (await session.execute(due.with_for_update(of=_ITEM, skip_locked=True))).one_or_none()
    if row is None:
        return None
    authentic = await authenticate_row(session, SEALED_TASK_ITEM, row, at=at)
    authentic = await authenticate_row(session, SEALED_TASK, row, "t_", at=at) and authentic
    return ClaimedItem(row, {column.name: getattr(row, f"t_{column.name}") for column in _TASK.c}, authentic)


async def settle_item(session: AsyncSession, item: Row[Any], result: ItemResult, *, at: datetime) -> None:
    """Mark a claimed item as done or refused. It never waits again."""
    changes: dict[str, Any] = {"result_id": result.result_id, "reason": result.reason, "done_at": at}
    changes["state"] = (TaskItemState.DONE if result.reason is None else TaskItemState.REFUSED).value
    mine = (_ITEM.c.task_id == item.task_id, _ITEM.c.number == item.number)
    await session.execute(update(_ITEM).where(*mine).values(reseal_changes(session, SEALED_TASK_ITEM, item, changes)))


async def postpone_item(session: AsyncSession, task_id: UUID, number: int, *, at: datetime) -> None:
    """Count a failure on our side, and wait before the next try. Refuses the item after five.

    Without effect if another worker has the item now.
    """
    mine = (_ITEM.c.task_id == task_id, _ITEM.c.number == number, _WAITING)
    row = (await session.execute(select(_ITEM).where(*mine).with_for_update(skip_locked=True))).one_or_none()
    if row is None:
        return
    tries = row.tries + 1
    counted = {"tries": tries, "due_at": at + compute_retry_pause(tries)}
    await session.execute(update(_ITEM).where(*mine).values(counted))
    if tries >= MAX_TRIES:
        await settle_item(session, row, ItemResult(None, {"code": _FAILED, "message": _FAILED, "params": {}}), at=at)


async def cancel_items(session: AsyncSession, task_id: UUID, *, at: datetime) -> int:
    """Refuse every item of a task that waits, and finish the task. Returns the number of these items.

    An item that a worker has now is waited for: it is done, or waits again and is cancelled too.
    """
    # The last one first: the workers take the first one, and would stay ahead of this lock until the end.
    waiting = select(_ITEM).where(_ITEM.c.task_id == task_id, _WAITING).order_by(_ITEM.c.number.desc())
    rows = (await session.execute(waiting.with_for_update())).all()
    reason = {"code": CANCELLED, "message": CANCELLED, "params": {}}
    changes = {"state": TaskItemState.REFUSED.value, "reason": reason, "done_at": at}
    mine = (_ITEM.c.task_id == task_id, _ITEM.c.number == bindparam("n"))
    for first in range(0, len(rows), _INSERT_BATCH):
        sealed = [
            {"mac": row.mac, **reseal_changes(session, SEALED_TASK_ITEM, row, changes), "n": row.number}
            for row in rows[first : first + _INSERT_BATCH]
        ]
        connection = await session.connection()
        await connection.execute(update(_ITEM).where(*mine), sealed)
    await finish_tasks(session, at=at)
    return len(rows)


async def finish_tasks(session: AsyncSession, *, at: datetime) -> int:
    """Mark the tasks in which nothing waits as finished. Returns their number."""
    waiting = select(_ITEM.c.task_id).where(_ITEM.c.task_id == _TASK.c.id, _WAITING).exists()
    over = select(_TASK).where(_TASK.c.finished_at.is_(None), ~waiting).order_by(_TASK.c.id)
    rows = (await session.execute(over.with_for_update(skip_locked=True))).all()
    for row in rows:
        changes = reseal_changes(session, SEALED_TASK, row, {"finished_at": at})
        await session.execute(update(_TASK).where(_TASK.c.id == row.id).values(changes))
    return len(rows)


async def count_open_tasks(session: AsyncSession, organisation_id: UUID) -> int:
    """Count the tasks of an organisation that are not finished."""
    mine = (_TASK.c.organisation_id == organisation_id, _TASK.c.finished_at.is_(None))
    return await session.scalar(select(func.count()).select_from(_TASK).where(*mine)) or 0


def describe_invalid_row() -> ItemResult:
    """Build the result of an item that was forged."""
    return ItemResult(None, {"code": ROW_INVALID, "message": ROW_INVALID, "params": {}})
