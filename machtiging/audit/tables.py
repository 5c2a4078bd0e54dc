"""Tables of the journal. `JournalIntake` receives new lines; `JournalLine` has them numbered and chained."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from machtiging.storage import columns


class _Line(SQLModel):
    """The columns of a line. People appear by internal id, never by BSN or name."""

    id: UUID = Field(primary_key=True)
    occurred_at: datetime = columns.at()
    act: str = columns.text()
    outcome: str = columns.text()
    reason: str = columns.text()
    actor_id: UUID | None = None
    capacity: str | None = columns.text(default=None, nullable=True)
    client_id: str | None = columns.text(default=None, nullable=True)
    for_person_id: UUID | None = None
    machtiging_id: UUID | None = None
    object_kind: str | None = columns.text(default=None, nullable=True)
    object_id: str | None = columns.text(default=None, nullable=True)
    policy_digest: str | None = columns.text(default=None, nullable=True)
    request_id: str = columns.text()
    facts: dict[str, Any] = columns.document()


class JournalIntake(_Line, table=True):
    """Committed lines without a number."""

    __tablename__ = "journal_intake"


class JournalLine(_Line, table=True):
    """Sealed lines in their final order. `hash` covers the line, its number and the previous hash."""

    __tablename__ = "journal"

    seq: int = Field(sa_type=BigInteger, unique=True)
    previous_hash: bytes = columns.sealed()
    hash: bytes = columns.sealed()


class JournalHead(SQLModel, table=True):
    """A signed statement: up to this number, the chain ends in this hash."""

    __tablename__ = "journal_head"

    seq: int = Field(primary_key=True, sa_type=BigInteger)
    hash: bytes = columns.sealed()
    signed_at: datetime = columns.at()
    signature: str = columns.text()


class SealingTurn(SQLModel, table=True):
    """A table without rows. A lock on it lets one sealer work; only the sealer role has access."""

    __tablename__ = "sealing_turn"

    only_one: bool = Field(primary_key=True)
