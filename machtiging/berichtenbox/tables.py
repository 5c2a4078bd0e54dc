"""Rows of the box: berichten, bijlagen in encrypted pieces, and each reader's own marks."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from machtiging.storage import columns


class Bericht(SQLModel, table=True):
    """A letter: its envelope in the clear, its subject and its text encrypted with the citizen's data key."""

    __tablename__ = "bericht"

    id: UUID = Field(primary_key=True)
    ontvanger_id: UUID = Field(foreign_key="person.id")
    afzender_oin: str = columns.text()
    dienst_code: str = columns.text()
    theme: str = columns.text()
    sensitivity: str = columns.text()
    published_at: datetime = columns.at()
    received_at: datetime = columns.at()
    sender_reference: str = columns.text()
    content_hash: bytes = columns.sealed()
    onderwerp_sealed: bytes = columns.sealed()
    inhoud_sealed: bytes = columns.sealed()
    read_at: datetime | None = columns.at(default=None, nullable=True)
    folder: str | None = columns.text(default=None, nullable=True)
    changed_at: datetime | None = columns.at(default=None, nullable=True)
    deleted_at: datetime | None = columns.at(default=None, nullable=True)


class Bijlage(SQLModel, table=True):
    """An attachment of a bericht; its bytes are in `BijlagePart` rows."""

    __tablename__ = "bijlage"

    id: UUID = Field(primary_key=True)
    bericht_id: UUID = Field(foreign_key="bericht.id", index=True)
    position: int
    naam_sealed: bytes = columns.sealed()
    mime_type: str = columns.text()
    size: int = Field(sa_type=BigInteger)
    sha256: bytes = columns.sealed()
    parts: int


class BijlagePart(SQLModel, table=True):
    """A piece of a bijlage, encrypted on its own so that a download streams without holding the whole file."""

    __tablename__ = "bijlage_part"

    bijlage_id: UUID = Field(primary_key=True, foreign_key="bijlage.id")
    number: int = Field(primary_key=True)
    sealed: bytes = columns.sealed()


class ReaderMark(SQLModel, table=True):
    """That a helper opened a bericht: the helper's own mark, which the citizen's `read_at` never follows."""

    __tablename__ = "reader_mark"

    bericht_id: UUID = Field(primary_key=True, foreign_key="bericht.id")
    person_id: UUID = Field(primary_key=True, foreign_key="person.id")
    first_read_at: datetime = columns.at()
