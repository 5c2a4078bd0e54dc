"""Rows of access tokens: what the doors ask about a token besides its signature, and proofs that were used."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from machtiging.storage import columns
from machtiging.storage.row_mac import ENDS_IT, SealedTable


class IssuedToken(SQLModel, table=True):
    """One access token, by its `jti`. Written when it is issued, closed when it is revoked.

    `jkt` or `x5t` name the key or the certificate that it is bound to; `parent_id` the token it was exchanged for;
    `organisation_kvk` the organisation of the login session in which its consent was given (None: as a private person).
    """

    __tablename__ = "issued_token"

    id: UUID = Field(primary_key=True)
    client_id: str = columns.text(index=True)
    grant_id: UUID | None = Field(default=None, index=True)
    person_id: UUID | None = Field(default=None, foreign_key="person.id")
    machtiging_id: UUID | None = Field(default=None, foreign_key="machtiging.id", index=True)
    oin: str | None = columns.text(default=None, nullable=True)
    scope: str = columns.text()
    acts: list[str] = columns.texts()
    assurance: str = columns.text()
    issued_at: datetime = columns.at()
    expires_at: datetime = columns.at(index=True)
    revoked_at: datetime | None = columns.at(default=None, nullable=True)
    audience: str = columns.text()
    jkt: str | None = columns.text(default=None, nullable=True)
    x5t: str | None = columns.text(default=None, nullable=True)
    parent_id: UUID | None = Field(default=None, foreign_key="issued_token.id", index=True)
    organisation_kvk: str | None = columns.text(default=None, nullable=True)
    mac: bytes = columns.sealed(default=b"")


class UsedProof(SQLModel, table=True):
    """A DPoP proof that was taken (RFC 9449 11.1): a second time it is refused."""

    __tablename__ = "used_proof"

    proof_hash: bytes = columns.sealed(primary_key=True)
    expires_at: datetime = columns.at(index=True)


# What its MAC covers (docs/decisions/0008). A changed list is another version.
SEALED_TOKEN = SealedTable(
    IssuedToken.__table__,  # type: ignore[attr-defined]
    version=1,
    covered=(
        *("id", "client_id", "grant_id", "person_id", "machtiging_id", "oin", "scope", "acts", "assurance"),
        *("issued_at", "expires_at", "audience", "jkt", "x5t", "parent_id"),
        "organisation_kvk",
    ),
    exempt={"revoked_at": ENDS_IT},
)
