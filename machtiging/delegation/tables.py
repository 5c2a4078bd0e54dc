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
    gemachtigde_kvk: str | None = columns.text(default=None, nullable=True)
    parent_id: UUID | None = Field(default=None, foreign_key="machtiging.id")
    capacity: str = columns.text()
    purpose: str = columns.text()
    legal_ground: str = columns.text()
    state: str = columns.text()
    afzenders: list[str] | None = columns.texts(default=None, nullable=True)
    diensten: list[str] | None = columns.texts(default=None, nullable=True)
    themes: list[str] | None = columns.texts(default=None, nullable=True)
    excluded_themes: list[str] = columns.texts()
    highest_sensitivity: str = columns.text()
    letters_from: date
    acts: list[str] = columns.texts()
    assurance: str = columns.text()
    accepted_assurance: str | None = columns.text(default=None, nullable=True)
    starts_at: datetime = columns.at()
    ends_at: datetime = columns.at()
    offered_at: datetime = columns.at()
    accepted_at: datetime | None = columns.at(default=None, nullable=True)
    paused_at: datetime | None = columns.at(default=None, nullable=True)
    ended_at: datetime | None = columns.at(default=None, nullable=True)
    end_reason: str | None = columns.text(default=None, nullable=True)


class Machtigingscode(SQLModel, table=True):
    """The code of an offer and its check word, if any, stored as blind indexes."""

    __tablename__ = "machtigingscode"

    id: UUID = Field(primary_key=True)
    machtiging_id: UUID = Field(foreign_key="machtiging.id")
    code_hash: bytes = columns.sealed(unique=True)
    tries_left: int
    created_at: datetime = columns.at()
    expires_at: datetime = columns.at()
    used_at: datetime | None = columns.at(default=None, nullable=True)
    used_by: UUID | None = Field(default=None, foreign_key="person.id")
    word_hash: bytes | None = columns.sealed(default=None, nullable=True)


class CodeTry(SQLModel, table=True):
    """One failed try by one person, to limit guessing across codes."""

    __tablename__ = "code_try"

    id: UUID = Field(primary_key=True)
    person_id: UUID = Field(foreign_key="person.id", index=True)
    tried_at: datetime = columns.at()
