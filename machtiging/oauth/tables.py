"""Tables of the authorization server: clients, requests, grants, codes, tokens and logout notices."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Field, SQLModel

from machtiging.storage import columns
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import EXEMPT_ENDS_ROW, SealedTable


class OAuthClient(SQLModel, table=True):
    """A registered client; `registration` is its RFC 7591 metadata.

    `unseen_changes`: the number of changes attempted by program since an operator last reviewed it.
    """

    __tablename__ = "oauth_client"

    client_id: str = columns.text_column(primary_key=True)
    registration: dict[str, Any] = columns.jsonb_column()
    oin: str | None = columns.text_column(default=None, nullable=True, foreign_key="agency.oin")
    state: str = columns.text_column()
    created_at: datetime = columns.timestamp_column()
    registration_token_hash: bytes | None = columns.bytes_column(default=None, nullable=True)
    fetched_jwks: dict[str, Any] | None = columns.jsonb_column(default=None, nullable=True)
    fetched_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    fetch_failed_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    by_program: bool = False
    withdrawn_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    unseen_changes: int = 0
    mac: bytes = columns.bytes_column(default=b"")


class PushedRequest(SQLModel, table=True):
    """A pushed authorization request (RFC 9126), stored until its request_uri is used."""

    __tablename__ = "pushed_request"

    uri_hash: bytes = columns.bytes_column(primary_key=True)
    client_id: str = columns.text_column(foreign_key="oauth_client.client_id")
    params: dict[str, Any] = columns.jsonb_column()
    created_at: datetime = columns.timestamp_column()
    expires_at: datetime = columns.timestamp_column(index=True)
    used_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    sent_to_login_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    mac: bytes = columns.bytes_column(default=b"")


class OAuthGrant(SQLModel, table=True):
    """A person's consent to one client, under one machtiging or for the own box.

    Its codes and tokens end with it. `managed`: the client asked for its id, to query and revoke it (Grant Management).
    `resource`: the audience of its tokens, empty for our own API. `organisation_kvk`: the organisation of the login
    session (None: a private person); codes and tokens inherit it.
    """

    __tablename__ = "oauth_grant"

    id: UUID = Field(primary_key=True)
    client_id: str = columns.text_column(foreign_key="oauth_client.client_id", index=True)
    person_id: UUID = Field(foreign_key="person.id", index=True)
    machtiging_id: UUID | None = Field(default=None, foreign_key="machtiging.id", index=True)
    authorization_details: list[dict[str, Any]] = columns.jsonb_column()
    scope: str = columns.text_column()
    assurance: str = columns.text_column()
    authenticated_at: datetime = columns.timestamp_column()
    created_at: datetime = columns.timestamp_column()
    ended_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    end_reason: str | None = columns.text_column(default=None, nullable=True)
    session_id: UUID | None = Field(default=None, index=True)
    requested_claims: dict[str, Any] = columns.jsonb_column()
    managed: bool = False
    resource: str = columns.text_column()
    organisation_kvk: str | None = columns.text_column(default=None, nullable=True)
    mac: bytes = columns.bytes_column(default=b"")


class AuthorizationCode(SQLModel, table=True):
    """An authorization code, stored as a hash, redeemable once."""

    __tablename__ = "authorization_code"

    code_hash: bytes = columns.bytes_column(primary_key=True)
    client_id: str = columns.text_column(foreign_key="oauth_client.client_id")
    grant_id: UUID = Field(foreign_key="oauth_grant.id", index=True)
    redirect_uri: str = columns.text_column()
    scope: str = columns.text_column()
    nonce: str | None = columns.text_column(default=None, nullable=True)
    code_challenge: str = columns.text_column()
    created_at: datetime = columns.timestamp_column()
    expires_at: datetime = columns.timestamp_column(index=True)
    used_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    jkt: str | None = columns.text_column(default=None, nullable=True)
    resource: str | None = columns.text_column(default=None, nullable=True)
    organisation_kvk: str | None = columns.text_column(default=None, nullable=True)
    mac: bytes = columns.bytes_column(default=b"")


class UsedAssertion(SQLModel, table=True):
    """The consumed `jti` of a client assertion (RFC 7523), for replay detection."""

    __tablename__ = "used_assertion"

    client_id: str = columns.text_column(primary_key=True)
    jti_hash: bytes = columns.bytes_column(primary_key=True)
    expires_at: datetime = columns.timestamp_column(index=True)


class RefreshToken(SQLModel, table=True):
    """A refresh token, stored as a hash, usable once. All tokens of one grant are one family."""

    __tablename__ = "refresh_token"

    token_hash: bytes = columns.bytes_column(primary_key=True)
    grant_id: UUID = Field(foreign_key="oauth_grant.id", index=True)
    client_id: str = columns.text_column(foreign_key="oauth_client.client_id")
    resource: str | None = columns.text_column(default=None, nullable=True)
    jkt: str | None = columns.text_column(default=None, nullable=True)
    x5t: str | None = columns.text_column(default=None, nullable=True)
    created_at: datetime = columns.timestamp_column()
    expires_at: datetime = columns.timestamp_column(index=True)
    used_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    organisation_kvk: str | None = columns.text_column(default=None, nullable=True)
    mac: bytes = columns.bytes_column(default=b"")


class BackchannelRequest(SQLModel, table=True):
    """A CIBA request, stored by the hash of its `auth_req_id`.

    The person answers on her own device.

    Without a person there is nobody to ask. The client cannot tell that from a person who does not answer.
    """

    __tablename__ = "backchannel_request"

    request_hash: bytes = columns.bytes_column(primary_key=True)
    client_id: str = columns.text_column(foreign_key="oauth_client.client_id")
    person_id: UUID | None = Field(default=None, foreign_key="person.id", index=True)
    machtiging_id: UUID | None = Field(default=None, foreign_key="machtiging.id")
    params: dict[str, Any] = columns.jsonb_column()
    binding_message: str = columns.text_column()
    state: str = columns.text_column()
    grant_id: UUID | None = Field(default=None, foreign_key="oauth_grant.id")
    jkt: str | None = columns.text_column(default=None, nullable=True)
    created_at: datetime = columns.timestamp_column()
    expires_at: datetime = columns.timestamp_column(index=True)
    polled_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    interval_seconds: int
    organisation_kvk: str | None = columns.text_column(default=None, nullable=True)
    mac: bytes = columns.bytes_column(default=b"")


class Meldcode(SQLModel, table=True):
    """A code to find a person by at a counter, stored as a keyed hash. She reads it out there."""

    __tablename__ = "meldcode"

    code_hash: bytes = columns.bytes_column(primary_key=True)
    person_id: UUID = Field(foreign_key="person.id")
    created_at: datetime = columns.timestamp_column()
    expires_at: datetime = columns.timestamp_column(index=True)
    used_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    organisation_kvk: str | None = columns.text_column(default=None, nullable=True)


class InitialAccessToken(SQLModel, table=True):
    """An initial access token for dynamic registration (RFC 7591 section 3), stored as a hash.

    `refused`: the number of failed attempts.
    """

    __tablename__ = "initial_access_token"

    token_hash: bytes = columns.bytes_column(primary_key=True)
    note: str = columns.text_column()
    uses_left: int
    refused: int = 0
    created_at: datetime = columns.timestamp_column()
    expires_at: datetime = columns.timestamp_column()
    withdrawn_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    mac: bytes = columns.bytes_column(default=b"")


class LogoutNotice(SQLModel, table=True):
    """A pending back-channel logout notification to a client (OpenID Connect Back-Channel Logout 1.0)."""

    __tablename__ = "logout_notice"

    id: UUID = Field(primary_key=True)
    client_id: str = columns.text_column(foreign_key="oauth_client.client_id")
    uri: str = columns.text_column()
    person_id: UUID = Field(foreign_key="person.id")
    session_id: UUID
    created_at: datetime = columns.timestamp_column()
    next_try_at: datetime = columns.timestamp_column()
    tries: int = 0
    sent_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    given_up_at: datetime | None = columns.timestamp_column(default=None, nullable=True)


# The columns under each row's MAC (docs/decisions/0008). A changed list needs a new version.
_ONLY_COUNTS_DOWN = "counts down to nothing; more of it gives no more than what an operator approves"
SEALED_CLIENT = SealedTable(
    table_of(OAuthClient),
    version=1,
    covered=(
        *("client_id", "registration", "oin", "state", "created_at", "registration_token_hash"),
        *("fetched_jwks", "fetched_at", "by_program"),
    ),
    exempt={
        "fetch_failed_at": "only says when to look again",
        "withdrawn_at": EXEMPT_ENDS_ROW,
        "unseen_changes": "counts tries of a client that can do nothing yet",
    },
)
SEALED_PUSHED_REQUEST = SealedTable(
    table_of(PushedRequest),
    version=1,
    covered=("uri_hash", "client_id", "params", "created_at"),
    exempt={
        "expires_at": "set by SQL when the browser comes; the code bounds it by created_at",
        "used_at": EXEMPT_ENDS_ROW,
        "sent_to_login_at": "only keeps from asking for a login twice",
    },
)
SEALED_GRANT = SealedTable(
    table_of(OAuthGrant),
    version=1,
    covered=(
        *("id", "client_id", "person_id", "machtiging_id", "authorization_details", "scope", "assurance"),
        *("authenticated_at", "created_at", "session_id", "requested_claims", "managed", "resource"),
        "organisation_kvk",
    ),
    exempt={"ended_at": EXEMPT_ENDS_ROW, "end_reason": "goes with ended_at"},
)
SEALED_CODE = SealedTable(
    table_of(AuthorizationCode),
    version=1,
    covered=(
        *("code_hash", "client_id", "grant_id", "redirect_uri", "scope", "nonce", "code_challenge", "created_at"),
        *("jkt", "resource", "organisation_kvk"),
    ),
    exempt={"expires_at": "cut short by SQL; the table bounds it by created_at", "used_at": EXEMPT_ENDS_ROW},
)
SEALED_REFRESH_TOKEN = SealedTable(
    table_of(RefreshToken),
    version=1,
    covered=(
        *("token_hash", "grant_id", "client_id", "resource", "jkt", "x5t", "created_at", "expires_at"),
        "organisation_kvk",
    ),
    exempt={"used_at": EXEMPT_ENDS_ROW},
)
SEALED_BACKCHANNEL_REQUEST = SealedTable(
    table_of(BackchannelRequest),
    version=1,
    covered=(
        *("request_hash", "client_id", "person_id", "machtiging_id", "params", "binding_message", "grant_id", "jkt"),
        *("created_at", "organisation_kvk"),
    ),
    exempt={
        "state": "approved means a grant_id, which is covered; each other state ends it",
        "expires_at": "cut short by SQL; the code bounds it by created_at",
        "polled_at": "only slows down",
        "interval_seconds": "only slows down",
    },
)
SEALED_INITIAL_ACCESS_TOKEN = SealedTable(
    table_of(InitialAccessToken),
    version=1,
    covered=("token_hash", "note", "created_at", "expires_at"),
    exempt={"uses_left": _ONLY_COUNTS_DOWN, "refused": _ONLY_COUNTS_DOWN, "withdrawn_at": EXEMPT_ENDS_ROW},
)
