"""Tables of the workers."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Field, SQLModel

from machtiging.storage import columns


class WorkerHeartbeat(SQLModel, table=True):
    """A running worker, and the problems of its loops. Times are those of the database."""

    __tablename__ = "worker_heartbeat"

    id: UUID = Field(primary_key=True)
    started_at: datetime = columns.timestamp_column()
    seen_at: datetime = columns.timestamp_column()
    problems: dict[str, Any] = columns.jsonb_column()
