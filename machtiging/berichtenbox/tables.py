"""Tables of the box: berichten, bijlagen in encrypted parts, read marks, notes of helpers."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from machtiging.storage import columns


class Bericht(SQLModel, table=True):
    """A letter: plain envelope; subject and text encrypted with the data key of the ontvanger."""

    __tablename__ = "bericht"

    id: UUID = Field(primary_key=True)
    ontvanger_id: UUID = Field(foreign_key="party.id")
    afzender_oin: str = columns.text_column()
    dienst_code: str = columns.text_column()
    theme: str = columns.text_column()
    sensitivity: str = columns.text_column()
    published_at: datetime = columns.timestamp_column()
    received_at: datetime = columns.timestamp_column()
    sender_reference: str = columns.text_column()
    content_hash: bytes = columns.bytes_column()
    onderwerp_sealed: bytes = columns.bytes_column()
    inhoud_sealed: bytes = columns.bytes_column()
    read_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    folder: str | None = columns.text_column(default=None, nullable=True)
    changed_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    deleted_at: datetime | None = columns.timestamp_column(default=None, nullable=True)


class Bijlage(SQLModel, table=True):
    """An attachment of a bericht. Its content is in `BijlagePart` rows."""

    __tablename__ = "bijlage"

    id: UUID = Field(primary_key=True)
    bericht_id: UUID = Field(foreign_key="bericht.id", index=True)
    position: int
    naam_sealed: bytes = columns.bytes_column()
    mime_type: str = columns.text_column()
    size: int = Field(sa_type=BigInteger)
    sha256: bytes = columns.bytes_column()
    parts: int


class BijlagePart(SQLModel, table=True):
    """A part of a bijlage, encrypted separately so that a download can stream."""

    __tablename__ = "bijlage_part"

    bijlage_id: UUID = Field(primary_key=True, foreign_key="bijlage.id")
    number: int = Field(primary_key=True)
    sealed: bytes = columns.bytes_column()


class ReaderMark(SQLModel, table=True):
    """The read mark of a helper, independent of the citizen's `read_at`."""

    __tablename__ = "reader_mark"

    bericht_id: UUID = Field(primary_key=True, foreign_key="bericht.id")
    person_id: UUID = Field(primary_key=True, foreign_key="person.id")
    first_read_at: datetime = columns.timestamp_column()


class HelperNoteRow(SQLModel, table=True):
    """A note of a helper with a letter, encrypted for the letter's owner."""

    __tablename__ = "helper_note"

    id: UUID = Field(primary_key=True)
    letter_id: UUID = Field(foreign_key="bericht.id")
    owner_id: UUID = Field(foreign_key="party.id")
    author_id: UUID = Field(foreign_key="person.id")
    machtiging_id: UUID = Field(foreign_key="machtiging.id")
    written_at: datetime = columns.timestamp_column()
    text_sealed: bytes = columns.bytes_column()
    retracted_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
