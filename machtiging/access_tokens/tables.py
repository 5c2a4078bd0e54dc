"""Tables of issued access tokens and used DPoP proofs."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Field, SQLModel

from machtiging.storage import columns
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import EXEMPT_ENDS_ROW, SealedTable


class IssuedToken(SQLModel, table=True):
    """One access token, by its `jti`: inserted at issuance, updated at revocation.

    `jkt` or `x5t` is the thumbprint of the key or certificate of a bound token. `parent_id` is the token it was
    exchanged for. `organisation_kvk` is the organisation of the login session at consent; None for a private person.
    `representation_set` is set for a token for several machtigingen, which has no `machtiging_id`.
    """

    __tablename__ = "issued_token"

    id: UUID = Field(primary_key=True)
    client_id: str = columns.text_column(index=True)
    grant_id: UUID | None = Field(default=None, index=True)
    person_id: UUID | None = Field(default=None, foreign_key="person.id")
    machtiging_id: UUID | None = Field(default=None, foreign_key="machtiging.id", index=True)
    oin: str | None = columns.text_column(default=None, nullable=True)
    scope: str = columns.text_column()
    acts: list[str] = columns.text_array_column()
    assurance: str = columns.text_column()
    issued_at: datetime = columns.timestamp_column()
    expires_at: datetime = columns.timestamp_column(index=True)
    revoked_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    audience: str = columns.text_column()
    jkt: str | None = columns.text_column(default=None, nullable=True)
    x5t: str | None = columns.text_column(default=None, nullable=True)
    parent_id: UUID | None = Field(default=None, foreign_key="issued_token.id", index=True)
    organisation_kvk: str | None = columns.text_column(default=None, nullable=True)
    representation_set: dict[str, Any] | None = columns.jsonb_column(default=None, nullable=True)
    mac: bytes = columns.bytes_column(default=b"")


class UsedProof(SQLModel, table=True):
    """A consumed DPoP proof, for replay detection (RFC 9449 section 11.1)."""

    __tablename__ = "used_proof"

    proof_hash: bytes = columns.bytes_column(primary_key=True)
    expires_at: datetime = columns.timestamp_column(index=True)


# The columns covered by the row MAC (docs/decisions/0008). A change of the list needs a new version.
SEALED_TOKEN = SealedTable(
    table_of(IssuedToken),
    version=1,
    covered=(
        *("id", "client_id", "grant_id", "person_id", "machtiging_id", "oin", "scope", "acts", "assurance"),
        *("issued_at", "expires_at", "audience", "jkt", "x5t", "parent_id"),
        *("organisation_kvk", "representation_set"),
    ),
    exempt={"revoked_at": EXEMPT_ENDS_ROW},
    added_later=("representation_set",),
)
