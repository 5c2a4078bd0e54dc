"""Table of the requests to open a person's record."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from machtiging.storage import columns
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import SealedTable


class RecordOpening(SQLModel, table=True):
    """A request to open the record of one person. `person_id` is None if nobody has the BSN that was typed."""

    __tablename__ = "record_opening"

    id: UUID = Field(primary_key=True)
    person_id: UUID | None = Field(default=None, foreign_key="person.id")
    purpose: str = columns.text_column()
    case_number: str = columns.text_column()
    asked_by: UUID = Field(foreign_key="person.id")
    asker_role: str = columns.text_column()
    asked_at: datetime = columns.timestamp_column()
    confirmed_by: UUID | None = Field(default=None, foreign_key="person.id")
    confirmer_role: str | None = columns.text_column(default=None, nullable=True)
    confirmed_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    mac: bytes = columns.bytes_column(default=b"")


SEALED_RECORD_OPENING = SealedTable(
    table_of(RecordOpening),
    version=1,
    covered=(
        *("id", "person_id", "purpose", "case_number", "asked_by", "asker_role", "asked_at"),
        *("confirmed_by", "confirmer_role", "confirmed_at"),
    ),
    exempt={},
)
