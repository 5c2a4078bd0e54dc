"""Table of invitations by a link."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from machtiging.storage import columns
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import SealedTable


class InvitationLink(SQLModel, table=True):
    """An invitation of an employee, with a hash of the link. Address and name are encrypted for the organisation."""

    __tablename__ = "invitation_link"

    id: UUID = Field(primary_key=True)
    organisation_id: UUID = Field(foreign_key="organisation.id")
    invited_by: UUID
    email_index: bytes = columns.bytes_column()
    email_sealed: bytes = columns.bytes_column()
    display_name_sealed: bytes = columns.bytes_column()
    roles: list[str] = columns.text_array_column()
    minimum_level: str = columns.text_column()
    link_number: int
    token_hash: bytes = columns.bytes_column(unique=True)
    invited_at: datetime = columns.timestamp_column()
    expires_at: datetime = columns.timestamp_column()
    accepted_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    employee_id: UUID | None = None
    withdrawn_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    mail_tries: int = 0
    mail_next_at: datetime = columns.timestamp_column()
    mail_sent_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    mail_given_up_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    mac: bytes = columns.bytes_column(default=b"")


_OF_THE_MAIL = "only when the e-mail goes; it gives nothing"
# Columns covered by the row MAC (docs/decisions/0008). A changed list needs a new version.
SEALED_INVITATION_LINK = SealedTable(
    table_of(InvitationLink),
    version=1,
    covered=(
        *("id", "organisation_id", "invited_by", "email_index", "email_sealed", "display_name_sealed", "roles"),
        *("minimum_level", "link_number", "token_hash", "invited_at", "expires_at", "accepted_at", "employee_id"),
        "withdrawn_at",
    ),
    exempt={
        "mail_tries": _OF_THE_MAIL,
        "mail_next_at": _OF_THE_MAIL,
        "mail_sent_at": _OF_THE_MAIL,
        "mail_given_up_at": _OF_THE_MAIL,
    },
)
