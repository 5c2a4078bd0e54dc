"""Tables of the journal. `JournalIntake` receives new lines; `JournalLine` has them numbered and chained."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity, SmallInteger
from sqlmodel import Field, SQLModel

from machtiging.storage import columns


class _JournalLineColumns(SQLModel):
    """The columns of a line. People appear by internal id, never by BSN or name."""

    id: UUID = Field(primary_key=True)
    occurred_at: datetime = columns.timestamp_column()
    act: str = columns.text_column()
    outcome: str = columns.text_column()
    reason: str = columns.text_column()
    actor_id: UUID | None = None
    capacity: str | None = columns.text_column(default=None, nullable=True)
    client_id: str | None = columns.text_column(default=None, nullable=True)
    for_person_id: UUID | None = None
    machtiging_id: UUID | None = None
    object_kind: str | None = columns.text_column(default=None, nullable=True)
    object_id: str | None = columns.text_column(default=None, nullable=True)
    policy_digest: str | None = columns.text_column(default=None, nullable=True)
    request_id: str = columns.text_column()
    facts: dict[str, Any] = columns.jsonb_column()
    format: int = Field(sa_type=SmallInteger)
    on_behalf_of: UUID | None = None
    trace_id: str | None = columns.text_column(default=None, nullable=True)


class JournalIntake(_JournalLineColumns, table=True):
    """Committed lines that are not sealed.

    `intake_number` is the order of the inserts. Two changes of one row have the order in which they held its lock.
    """

    __tablename__ = "journal_intake"

    intake_number: int = Field(sa_column=Column(BigInteger, Identity(always=True), nullable=False))


class JournalLine(_JournalLineColumns, table=True):
    """Sealed lines in their final order. `hash` covers the line, its number and the previous hash."""

    __tablename__ = "journal"

    seq: int = Field(sa_type=BigInteger, unique=True)
    previous_hash: bytes = columns.bytes_column()
    hash: bytes = columns.bytes_column()


class JournalHead(SQLModel, table=True):
    """A signed statement: up to this number, the chain ends in this hash."""

    __tablename__ = "journal_head"

    seq: int = Field(primary_key=True, sa_type=BigInteger)
    hash: bytes = columns.bytes_column()
    signed_at: datetime = columns.timestamp_column()
    signature: str = columns.text_column()


class SealerLock(SQLModel, table=True):
    """A table without rows. A lock on it lets one sealer work; only the sealer role has access."""

    __tablename__ = "sealing_turn"

    only_one: bool = Field(primary_key=True)
