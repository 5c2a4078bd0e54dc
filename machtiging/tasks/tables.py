"""Tables of the workers, and of the tasks that they carry out."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Field, SQLModel

from machtiging.storage import columns
from machtiging.storage.row_mac import SealedTable


class WorkerHeartbeat(SQLModel, table=True):
    """A running worker, and the problems of its loops. Times are those of the database."""

    __tablename__ = "worker_heartbeat"

    id: UUID = Field(primary_key=True)
    started_at: datetime = columns.timestamp_column()
    seen_at: datetime = columns.timestamp_column()
    problems: dict[str, Any] = columns.jsonb_column()


class Task(SQLModel, table=True):
    """Many acts that one employee asked at once. A worker does them with the rights of that employee."""

    __tablename__ = "task"

    id: UUID = Field(primary_key=True)
    kind: str = columns.text_column()
    organisation_id: UUID
    employee_id: UUID
    person_id: UUID
    assurance: str = columns.text_column()
    total: int
    request_digest: bytes = columns.bytes_column()
    created_at: datetime = columns.timestamp_column()
    finished_at: datetime | None = columns.timestamp_column(default=None)
    mac: bytes = columns.bytes_column(default=b"")


class TaskItem(SQLModel, table=True):
    """One act of a task. `content_sealed` is encrypted with the data key of the organisation."""

    __tablename__ = "task_item"

    task_id: UUID = Field(primary_key=True)
    number: int = Field(primary_key=True)
    subject_id: UUID
    content_sealed: bytes = columns.bytes_column()
    state: str = columns.text_column()
    reason: dict[str, Any] | None = columns.jsonb_column(default=None)
    result_id: UUID | None = None
    done_at: datetime | None = columns.timestamp_column(default=None)
    tries: int = 0
    due_at: datetime = columns.timestamp_column()
    mac: bytes = columns.bytes_column(default=b"")


SEALED_TASK = SealedTable(
    columns.table_of(Task),
    1,
    (
        *("id", "kind", "organisation_id", "employee_id", "person_id", "assurance", "total", "request_digest"),
        *("created_at", "finished_at"),
    ),
    {},
)
SEALED_TASK_ITEM = SealedTable(
    columns.table_of(TaskItem),
    1,
    ("task_id", "number", "subject_id", "content_sealed", "state", "reason", "result_id", "done_at"),
    {"tries": "only delays the item, or refuses it", "due_at": "only delays the item"},
)
