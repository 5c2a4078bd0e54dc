"""Tables of the box: berichten, bijlagen in encrypted parts, and marks of readers."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from machtiging.storage import columns


class Bericht(SQLModel, table=True):
    """A letter: plain envelope; subject and text encrypted with the citizen's data key."""

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
    """An attachment of a bericht. Its content is in `BijlagePart` rows."""

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
    """A part of a bijlage, encrypted separately so that a download can stream."""

    __tablename__ = "bijlage_part"

    bijlage_id: UUID = Field(primary_key=True, foreign_key="bijlage.id")
    number: int = Field(primary_key=True)
    sealed: bytes = columns.sealed()


class ReaderMark(SQLModel, table=True):
    """The read mark of a helper, independent of the citizen's `read_at`."""

    __tablename__ = "reader_mark"

    bericht_id: UUID = Field(primary_key=True, foreign_key="bericht.id")
    person_id: UUID = Field(primary_key=True, foreign_key="person.id")
    first_read_at: datetime = columns.at()
