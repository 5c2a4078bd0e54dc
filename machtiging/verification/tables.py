"""Tables of verification."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from machtiging.storage import columns


class AgencyPseudonym(SQLModel, table=True):
    """A pseudonym that an agency got in an answer, with the party behind it.

    It needs no MAC: the pseudonym is a keyed hash of party and agency, and is computed again on each use.
    """

    __tablename__ = "agency_pseudonym"

    oin: str = columns.text_column(primary_key=True)
    pseudonym: str = columns.text_column(primary_key=True)
    party_id: UUID = Field(foreign_key="party.id")
    issued_at: datetime = columns.timestamp_column()
