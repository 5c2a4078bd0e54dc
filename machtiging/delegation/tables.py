"""Tables of machtigingen, machtigingscodes and failed tries."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from machtiging.storage import columns


class MachtigingRow(SQLModel, table=True):
    """One machtiging. The domain value is `rules.Machtiging`."""

    __tablename__ = "machtiging"

    id: UUID = Field(primary_key=True)
    vertegenwoordigde_id: UUID = Field(foreign_key="person.id", index=True)
    gemachtigde_id: UUID | None = Field(default=None, foreign_key="person.id", index=True)
    gemachtigde_kvk: str | None = columns.text_column(default=None, nullable=True)
    parent_id: UUID | None = Field(default=None, foreign_key="machtiging.id")
    capacity: str = columns.text_column()
    purpose: str = columns.text_column()
    legal_ground: str = columns.text_column()
    state: str = columns.text_column()
    afzenders: list[str] | None = columns.text_array_column(default=None, nullable=True)
    diensten: list[str] | None = columns.text_array_column(default=None, nullable=True)
    themes: list[str] | None = columns.text_array_column(default=None, nullable=True)
    excluded_themes: list[str] = columns.text_array_column()
    highest_sensitivity: str = columns.text_column()
    letters_from: date
    acts: list[str] = columns.text_array_column()
    assurance: str = columns.text_column()
    accepted_assurance: str | None = columns.text_column(default=None, nullable=True)
    starts_at: datetime = columns.timestamp_column()
    ends_at: datetime = columns.timestamp_column()
    offered_at: datetime = columns.timestamp_column()
    accepted_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    paused_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    ended_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    end_reason: str | None = columns.text_column(default=None, nullable=True)


class Machtigingscode(SQLModel, table=True):
    """The code of an offer and its check word, if any, stored as blind indexes."""

    __tablename__ = "machtigingscode"

    id: UUID = Field(primary_key=True)
    machtiging_id: UUID = Field(foreign_key="machtiging.id")
    code_hash: bytes = columns.bytes_column(unique=True)
    tries_left: int
    created_at: datetime = columns.timestamp_column()
    expires_at: datetime = columns.timestamp_column()
    used_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    used_by: UUID | None = Field(default=None, foreign_key="person.id")
    word_hash: bytes | None = columns.bytes_column(default=None, nullable=True)


class CodeTry(SQLModel, table=True):
    """One failed try by one person, to limit guessing across codes."""

    __tablename__ = "code_try"

    id: UUID = Field(primary_key=True)
    person_id: UUID = Field(foreign_key="person.id", index=True)
    tried_at: datetime = columns.timestamp_column()
