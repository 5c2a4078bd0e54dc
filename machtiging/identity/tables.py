"""Tables of people, sessions, saved forms and login attempts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from machtiging.storage import columns
from machtiging.storage.row_mac import ENDS_IT, SealedTable


class Person(SQLModel, table=True):
    """A person: a citizen with a BSN, or somebody with only a broker subject."""

    __tablename__ = "person"

    id: UUID = Field(primary_key=True)
    bsn_index: bytes | None = columns.sealed(default=None, nullable=True, unique=True)
    bsn_sealed: bytes | None = columns.sealed(default=None, nullable=True)
    broker_issuer: str | None = columns.text(default=None, nullable=True)
    broker_subject: str | None = columns.text(default=None, nullable=True)
    profile_sealed: bytes | None = columns.sealed(default=None, nullable=True)
    data_key_wrapped: bytes = columns.sealed()
    kek_version: int
    created_at: datetime = columns.at()
    mac: bytes = columns.sealed(default=b"")


class LoginSession(SQLModel, table=True):
    """A login session of a browser. The cookie has the token; the row has only its hash."""

    __tablename__ = "login_session"

    id: UUID = Field(primary_key=True)
    token_hash: bytes = columns.sealed(unique=True)
    person_id: UUID = Field(foreign_key="person.id")
    assurance: str = columns.text()
    roles: list[str] = columns.texts()
    organisation_kvk: str | None = columns.text(default=None, nullable=True)
    csrf_token: str = columns.text()
    authenticated_at: datetime = columns.at()
    created_at: datetime = columns.at()
    last_seen_at: datetime = columns.at()
    expires_at: datetime = columns.at()
    ended_at: datetime | None = columns.at(default=None, nullable=True)
    sid: UUID
    mac: bytes = columns.sealed(default=b"")


class KeptForm(SQLModel, table=True):
    """A form posted after its session ended, encrypted for the person of that session."""

    __tablename__ = "kept_form"

    browser_hash: bytes = columns.sealed(primary_key=True)
    page_hash: bytes = columns.sealed(primary_key=True)
    person_id: UUID = Field(foreign_key="person.id")
    sealed: bytes = columns.sealed()
    created_at: datetime = columns.at()
    expires_at: datetime = columns.at()


class LoginAttempt(SQLModel, table=True):
    """A pending login at the broker."""

    __tablename__ = "login_attempt"

    state_hash: bytes = columns.sealed(primary_key=True)
    browser_hash: bytes = columns.sealed()
    nonce: str = columns.text()
    code_verifier: str = columns.text()
    return_to: str = columns.text()
    requested_acr: str = columns.text()
    created_at: datetime = columns.at()
    expires_at: datetime = columns.at()
    fresh: bool = False
    mac: bytes = columns.sealed(default=b"")


# Columns covered by the row MAC (docs/decisions/0008). A changed list needs a new version.
SEALED_PERSON = SealedTable(
    Person.__table__,  # type: ignore[attr-defined]
    version=1,
    covered=("id", "bsn_index", "bsn_sealed", "broker_issuer", "broker_subject", "created_at"),
    exempt={
        "profile_sealed": "opens with the person's own data key only",
        "data_key_wrapped": "opens for this person only, and is wrapped anew by a rotation",
        "kek_version": "goes with data_key_wrapped",
    },
)
SEALED_SESSION = SealedTable(
    LoginSession.__table__,  # type: ignore[attr-defined]
    version=1,
    covered=(
        *("id", "token_hash", "person_id", "assurance", "roles", "organisation_kvk", "csrf_token"),
        *("authenticated_at", "created_at", "expires_at", "sid"),
    ),
    exempt={"ended_at": ENDS_IT, "last_seen_at": "only ends a session that is idle; expires_at is its end"},
)
SEALED_ATTEMPT = SealedTable(
    LoginAttempt.__table__,  # type: ignore[attr-defined]
    version=1,
    covered=(
        *("state_hash", "browser_hash", "nonce", "code_verifier", "return_to", "requested_acr"),
        *("created_at", "expires_at", "fresh"),
    ),
    exempt={},
)
