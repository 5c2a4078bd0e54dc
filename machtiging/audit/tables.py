"""Rows of the journal. `JournalIntake` takes lines as they happen, `JournalLine` holds them numbered and chained."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from machtiging.storage import columns


class _Line(SQLModel):
    """What one line says. People are named by their internal id, never by BSN or name."""

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
    """Lines that are committed and not yet numbered."""

    __tablename__ = "journal_intake"


class JournalLine(_Line, table=True):
    """Lines in their final order: `hash` covers the line, its number and the hash before it."""

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
    """No rows: who holds a lock on this table seals. Nobody but the sealer has a right on it."""

    __tablename__ = "sealing_turn"

    only_one: bool = Field(primary_key=True)
