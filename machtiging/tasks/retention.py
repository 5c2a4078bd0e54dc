"""Retention: a task and its results go thirty days after it was asked."""

from __future__ import annotations

from sqlalchemy import select

from machtiging.storage.columns import table_of
from machtiging.storage.sweep import SWEEP_AT, ExpiredRows
from machtiging.tasks.rules import TASK_RETENTION
from machtiging.tasks.tables import Task, TaskItem

_TASK, _ITEM = table_of(Task), table_of(TaskItem)
_OVER = _TASK.c.created_at < SWEEP_AT - TASK_RETENTION
# The items first. Their task goes with the next sweep, which finds none of them.
EXPIRED_TASK_ITEMS: ExpiredRows = (_ITEM, _ITEM.c.task_id.in_(select(_TASK.c.id).where(_OVER)))
EXPIRED_TASKS: ExpiredRows = (_TASK, _OVER & ~select(_ITEM.c.task_id).where(_ITEM.c.task_id == _TASK.c.id).exists())
