"""Tables of verification codes and of the failed tries."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from machtiging.storage import columns
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import MAC_COLUMN, SealedTable


class VerificationCodeRow(SQLModel, table=True):
    """A code with which one agency may ask once about one machtiging.

    The table has only a blind index of the code. `code_sealed` is the code under the data key of its maker, until it is
    used or withdrawn. `answer_sealed` is what the agency was told, under the data key of the represented party.
    """

    __tablename__ = "verification_code"

    id: UUID = Field(primary_key=True)
    code_hash: bytes = columns.bytes_column(unique=True)
    code_sealed: bytes | None = columns.bytes_column(default=None, nullable=True)
    machtiging_id: UUID = Field(foreign_key="machtiging.id")
    vertegenwoordigde_id: UUID = Field(foreign_key="party.id")
    maker_id: UUID = Field(foreign_key="person.id")
    organisation_id: UUID | None = Field(default=None, foreign_key="organisation.id")
    oin: str = columns.text_column(foreign_key="agency.oin")
    dienst: str | None = columns.text_column(default=None, nullable=True)
    purpose: str = columns.text_column()
    created_at: datetime = columns.timestamp_column()
    expires_at: datetime = columns.timestamp_column()
    used_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    used_by: UUID | None = Field(default=None, foreign_key="person.id")
    used_client: str | None = columns.text_column(default=None, nullable=True)
    used_dienst: str | None = columns.text_column(default=None, nullable=True)
    is_yes: bool | None = None
    answer_id: UUID | None = None
    answer_sealed: bytes | None = columns.bytes_column(default=None, nullable=True)
    withdrawn_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    mac: bytes = columns.bytes_column(default=b"")


class VerificationCodeTry(SQLModel, table=True):
    """One failed try of an employee or of a client of an agency."""

    __tablename__ = "verification_code_try"

    id: UUID = Field(primary_key=True)
    asker: str = columns.text_column()
    tried_at: datetime = columns.timestamp_column()


_TABLE = table_of(VerificationCodeRow)
# Columns covered by the row MAC (docs/decisions/0008). A changed list needs a new version.
SEALED_VERIFICATION_CODE = SealedTable(
    _TABLE,
    1,
    tuple(name for name in _TABLE.c.keys() if name != MAC_COLUMN),  # noqa: SIM118
    {},
)
