"""Rows of issued access tokens: what the bearer door asks about a token besides its signature."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from machtiging.storage import columns


class IssuedToken(SQLModel, table=True):
    """One access token, by its `jti`. Written when it is issued, closed when it is revoked."""

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
