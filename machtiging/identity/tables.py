"""Tables of parties, people, sessions, saved forms, drafts and login attempts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from machtiging.storage import columns
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import EXEMPT_ENDS_ROW, SealedTable


class Party(SQLModel, table=True):
    """A person or an organisation, with the data key of its letters.

    Person and organisation have the id of their party. An organisation gets a data key when it first needs one.
    """

    __tablename__ = "party"

    id: UUID = Field(primary_key=True)
    kind: str = columns.text_column()
    data_key_wrapped: bytes | None = columns.bytes_column(default=None, nullable=True)
    kek_version: int | None = None
    created_at: datetime = columns.timestamp_column()


class Person(SQLModel, table=True):
    """A person: a citizen with a BSN, or somebody with only a broker subject."""

    __tablename__ = "person"

    id: UUID = Field(primary_key=True, foreign_key="party.id")
    party_kind: str = columns.text_column()
    bsn_index: bytes | None = columns.bytes_column(default=None, nullable=True, unique=True)
    bsn_sealed: bytes | None = columns.bytes_column(default=None, nullable=True)
    broker_issuer: str | None = columns.text_column(default=None, nullable=True)
    broker_subject: str | None = columns.text_column(default=None, nullable=True)
    profile_sealed: bytes | None = columns.bytes_column(default=None, nullable=True)
    language: str = columns.text_column(default="nl")
    created_at: datetime = columns.timestamp_column()
    mac: bytes = columns.bytes_column(default=b"")


class LoginSession(SQLModel, table=True):
    """A login session of a browser. The cookie has the token; the row has only its hash."""

    __tablename__ = "login_session"

    id: UUID = Field(primary_key=True)
    token_hash: bytes = columns.bytes_column(unique=True)
    person_id: UUID = Field(foreign_key="person.id")
    assurance: str = columns.text_column()
    roles: list[str] = columns.text_array_column()
    organisation_kvk: str | None = columns.text_column(default=None, nullable=True)
    csrf_token: str = columns.text_column()
    authenticated_at: datetime = columns.timestamp_column()
    created_at: datetime = columns.timestamp_column()
    last_seen_at: datetime = columns.timestamp_column()
    expires_at: datetime = columns.timestamp_column()
    ended_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    sid: UUID
    mac: bytes = columns.bytes_column(default=b"")


class SavedForm(SQLModel, table=True):
    """A form posted after its session ended, encrypted for the person of that session."""

    __tablename__ = "kept_form"

    browser_hash: bytes = columns.bytes_column(primary_key=True)
    page_hash: bytes = columns.bytes_column(primary_key=True)
    person_id: UUID = Field(foreign_key="person.id")
    sealed: bytes = columns.bytes_column()
    created_at: datetime = columns.timestamp_column()
    expires_at: datetime = columns.timestamp_column()


class FormDraft(SQLModel, table=True):
    """The answers of an unfinished form of several pages, encrypted for its person."""

    __tablename__ = "form_draft"

    id: UUID = Field(primary_key=True)
    person_id: UUID = Field(foreign_key="person.id")
    sealed: bytes = columns.bytes_column()
    created_at: datetime = columns.timestamp_column()
    saved_at: datetime = columns.timestamp_column()
    expires_at: datetime = columns.timestamp_column()


class LoginAttempt(SQLModel, table=True):
    """A pending login at the broker."""

    __tablename__ = "login_attempt"

    state_hash: bytes = columns.bytes_column(primary_key=True)
    browser_hash: bytes = columns.bytes_column()
    nonce: str = columns.text_column()
    code_verifier: str = columns.text_column()
    return_to: str = columns.text_column()
    requested_acr: str = columns.text_column()
    created_at: datetime = columns.timestamp_column()
    expires_at: datetime = columns.timestamp_column()
    fresh: bool = False
    mac: bytes = columns.bytes_column(default=b"")


# Columns covered by the row MAC (docs/decisions/0008). A changed list needs a new version.
SEALED_PERSON = SealedTable(
    table_of(Person),
    version=1,
    covered=("id", "bsn_index", "bsn_sealed", "broker_issuer", "broker_subject", "created_at"),
    exempt={
        "profile_sealed": "opens with the person's own data key only",
        "party_kind": "one constant, by a check",
        "language": "only the language of e-mails",
    },
)
SEALED_SESSION = SealedTable(
    table_of(LoginSession),
    version=1,
    covered=(
        *("id", "token_hash", "person_id", "assurance", "roles", "organisation_kvk", "csrf_token"),
        *("authenticated_at", "created_at", "expires_at", "sid"),
    ),
    exempt={"ended_at": EXEMPT_ENDS_ROW, "last_seen_at": "only ends a session that is idle; expires_at is its end"},
)
SEALED_ATTEMPT = SealedTable(
    table_of(LoginAttempt),
    version=1,
    covered=(
        *("state_hash", "browser_hash", "nonce", "code_verifier", "return_to", "requested_acr"),
        *("created_at", "expires_at", "fresh"),
    ),
    exempt={},
)
