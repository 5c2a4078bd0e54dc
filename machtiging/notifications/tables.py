"""Table of the outbox."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Field, SQLModel

from machtiging.storage import columns


class Notification(SQLModel, table=True):
    """One notification to one person, inserted with the change and sent afterwards.

    `seen_at`: the person confirmed on the portal to have read it, because it could not be sent by e-mail.
    """

    __tablename__ = "notification"

    id: UUID = Field(primary_key=True)
    person_id: UUID = Field(foreign_key="person.id", index=True)
    kind: str = columns.text()
    facts: dict[str, Any] = columns.document()
    created_at: datetime = columns.at()
    next_try_at: datetime = columns.at()
    tries: int = 0
    sent_at: datetime | None = columns.at(default=None, nullable=True)
    given_up_at: datetime | None = columns.at(default=None, nullable=True)
    last_error: str | None = columns.text(default=None, nullable=True)
    seen_at: datetime | None = columns.at(default=None, nullable=True)
