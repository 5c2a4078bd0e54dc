"""Database queries for clients, grants and the status of tokens."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Label, Row, Select, bindparam, column, literal_column, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access_tokens.bearer import AnyToken
from machtiging.access_tokens.tokens import authenticate_token, build_token_cte, build_token_state
from machtiging.audit.row_authentication import authenticate_row
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import GrantId, MachtigingId, PersonId, TokenId
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler, RepresentationKey
from machtiging.oauth.authorization_details.parsing import extract_representation_set
from machtiging.oauth.authorization_details.representations import HANDLERS_CACHED
from machtiging.oauth.client import Client, build_client
from machtiging.oauth.tables import SEALED_CLIENT, SEALED_GRANT, OAuthClient, OAuthGrant
from machtiging.storage.columns import table_of
from machtiging.storage.statement import Executor, ResultRow, Statement

_CLIENT = table_of(OAuthClient)
_GRANT = table_of(OAuthGrant)
# The columns that `build_client` reads, and that the row's MAC covers.
CLIENT_COLUMN_NAMES = (*SEALED_CLIENT.columns, "fetch_failed_at")
CLIENT_COLUMNS = tuple(_CLIENT.c[name] for name in CLIENT_COLUMN_NAMES)
_FIND_ACTIVE_CLIENT = Statement(
    select(*CLIENT_COLUMNS).where(_CLIENT.c.client_id == bindparam("client_id"), _CLIENT.c.state == "active")
)
_CLIENT_XMIN: Label[Any] = literal_column("oauth_client.xmin").label("version")
_FIND_CLIENT_WITH_VERSION = Statement(
    select(*CLIENT_COLUMNS, _CLIENT_XMIN).where(
        _CLIENT.c.client_id == bindparam("client_id"), _CLIENT.c.state == "active"
    )
)
# Optimistic lock: one row while this client is active and unchanged. Parameters: `client_id` and `version` (xmin).
UNCHANGED_CLIENT = select(_CLIENT.c.client_id).where(
    _CLIENT.c.client_id == bindparam("client_id"),
    _CLIENT.c.state == "active",
    column("xmin", _selectable=_CLIENT) == bindparam("version"),
)
_FIND_RESOURCE_SERVER = Statement(
    select(*CLIENT_COLUMNS).where(
        _CLIENT.c.registration["resource"].astext == bindparam("resource"), _CLIENT.c.state == "active"
    )
)


def select_token_status(handler: AuthorizationDetailsHandler) -> Select[Any]:
    """Build the select of a token with its client, grant and representation, for `token_status_from_row`.

    Parameter: `jti`.
    """
    token = build_token_cte()
    key = RepresentationKey(token.c.t_machtiging_id, token.c.t_person_id, token.c.t_organisation_kvk)
    represented = handler.select_representation(key).lateral("represented")
    chosen = (_CLIENT.c.state.label("client_state"), _GRANT.c.id.label("grant_there"), _GRANT.c.ended_at)
    tables = (
        token.outerjoin(represented, true())
        .outerjoin(_CLIENT, _CLIENT.c.client_id == token.c.t_client_id)
        .outerjoin(_GRANT, _GRANT.c.id == token.c.t_grant_id)
    )
    return select(token, represented, *chosen).select_from(tables)


@lru_cache(maxsize=HANDLERS_CACHED)
def _build_status_statement(handler: AuthorizationDetailsHandler) -> Statement:
    return Statement(select_token_status(handler))


@dataclass(frozen=True, slots=True)
class Grant:
    """A person's consent to one client, under one machtiging or for the own box."""

    id: GrantId
    client_id: str
    person_id: PersonId
    machtiging_id: MachtigingId | None
    authorization_details: list[dict[str, Any]]
    scope: str
    assurance: Assurance
    authenticated_at: datetime
    created_at: datetime
    ended_at: datetime | None
    session_id: UUID | None = None
    requested_claims: Mapping[str, Any] = field(default_factory=dict)
    managed: bool = False
    resource: str = ""
    organisation_kvk: str | None = None

    @property
    def representation_set(self) -> dict[str, Any] | None:
        """The members of the details that name several representations, or None."""
        return extract_representation_set(self.authorization_details)

    @property
    def representation_key(self) -> RepresentationKey:
        """The values that find the representation of this grant."""
        return RepresentationKey(self.machtiging_id, self.person_id, self.organisation_kvk)


async def load_set_refusal(
    executor: Executor, handler: AuthorizationDetailsHandler, grant: Grant, at: datetime
) -> str | None:
    """Return the reason code if no representation of a grant for several can be used.

    None for every other grant.
    """
    several = grant.representation_set
    if several is None:
        return None
    login = grant.person_id, grant.organisation_kvk, grant.assurance
    return await handler.representation_set_refusal(executor, several, *login, at)


async def find_active_client(executor: Executor, client_id: str) -> Client | None:
    """Find the active client with this id; None if unknown, suspended or not yet approved."""
    return await verify_client_row(executor, await _FIND_ACTIVE_CLIENT.one_or_none(executor, {"client_id": client_id}))


async def verify_client_row(executor: Executor, row: ResultRow | None, prefix: str = "") -> Client | None:
    """Verify the MAC of a client row and build the client. None when there is no row or it is forged."""
    if row is None or not await authenticate_row(executor, SEALED_CLIENT, row, prefix):
        return None
    return client_from_row(row, prefix)


def client_from_row(row: ResultRow, prefix: str = "") -> Client:
    """Build the client from a row that was verified."""
    found = {name: row[prefix + name] for name in CLIENT_COLUMN_NAMES}
    return build_client(found["client_id"], found["registration"], found["oin"], found)


async def find_client_with_version(executor: Executor, client_id: str) -> tuple[Client, int] | None:
    """Find an active client with its row version (xmin), for an optimistic lock."""
    row = await _FIND_CLIENT_WITH_VERSION.one_or_none(executor, {"client_id": client_id})
    found = await verify_client_row(executor, row)
    return None if row is None or found is None else (found, row["version"])


async def find_resource_server(executor: Executor, resource: str) -> Client | None:
    """Find the active resource server that registered this resource. A unique index allows only one."""
    return await verify_client_row(executor, await _FIND_RESOURCE_SERVER.one_or_none(executor, {"resource": resource}))


async def find_token_status(
    executor: Executor, handler: AuthorizationDetailsHandler, jti: TokenId, at: datetime
) -> tuple[AnyToken, bool] | None:
    """Find a token, and tell if its client, grant and representation are all active too.

    None for a jti that was never issued.
    """
    row = await _build_status_statement(handler).one_or_none(executor, {"jti": jti})
    if row is None or not await authenticate_token(executor, row, at):
        return None
    return await token_status_from_row(executor, handler, row, at)


async def load_token(
    executor: Executor, jti: TokenId, at: datetime, *, handler: AuthorizationDetailsHandler
) -> AnyToken | None:
    """Load a token with its representation, for a door. None for an unknown jti or a forged row."""
    found = await find_token_status(executor, handler, jti, at)
    return None if found is None else found[0]


async def token_status_from_row(
    executor: Executor, handler: AuthorizationDetailsHandler, row: ResultRow, at: datetime
) -> tuple[AnyToken, bool]:
    """Build the result of `find_token_status` from a verified row of `select_token_status`.

    Only a token for several needs a further statement.
    """
    state: AnyToken = build_token_state(row, handler.read_representation(executor, row))
    facts = state.facts
    granted = facts.grant_id is None or (row["grant_there"] is not None and row["ended_at"] is None)
    live = state.is_unrevoked_at(at) and row["client_state"] == "active" and granted
    if not live or facts.representation_set is None:
        return state, live and state.representation_refusal(at) is None
    login = facts.person_id, facts.organisation_kvk, facts.assurance
    refusal = await handler.representation_set_refusal(executor, facts.representation_set, *login, at)
    return state, refusal is None


async def find_client_name(session: AsyncSession, client_id: str) -> str | None:
    """Find a client's name, active or not; None when it was never registered."""
    wanted = select(_CLIENT.c.registration["client_name"].astext).where(_CLIENT.c.client_id == client_id)
    name: str | None = await session.scalar(wanted)
    return name


def select_client_names(client_ids: Collection[str]) -> Select[Any]:
    """Select `key` and `name` of these clients, active or not."""
    name = _CLIENT.c.registration["client_name"].astext.label("name")
    return select(_CLIENT.c.client_id.label("key"), name).where(_CLIENT.c.client_id.in_(client_ids))


# The client if it is active, locked FOR KEY SHARE: a suspension waits until this transaction ends. Its parameter has
# not the name of a column: in a session, SQLAlchemy would set that column in each UPDATE of the same statement.
ACTIVE_CLIENT_LOCK = (
    select(_CLIENT.c.client_id)
    .where(_CLIENT.c.client_id == bindparam("locked_client_id"), _CLIENT.c.state == "active")
    .with_for_update(read=True, key_share=True)
)


async def lock_active_client(session: AsyncSession, client_id: str) -> bool:
    """Lock the client FOR KEY SHARE if it is active; False if not. A suspension waits for this transaction."""
    return await session.scalar(ACTIVE_CLIENT_LOCK, {"locked_client_id": client_id}) is not None


async def list_oauth_clients(session: AsyncSession) -> list[Row[Any]]:
    """List all clients for the operator: `client_id`, `registration`, `oin` and `state`."""
    return list(await session.execute(select(_CLIENT).order_by(_CLIENT.c.created_at, _CLIENT.c.client_id)))


async def find_grant(session: AsyncSession, grant_id: GrantId) -> Grant | None:
    """Find the grant; None for one that was never given, or with a forged row."""
    return await _fetch_grant(session, select(_GRANT).where(_GRANT.c.id == grant_id))


async def lock_grant(session: AsyncSession, grant_id: GrantId) -> Grant | None:
    """Find the grant and lock it FOR UPDATE. A concurrent end of the grant waits, and then finds its tokens."""
    return await _fetch_grant(session, select(_GRANT).where(_GRANT.c.id == grant_id).with_for_update())


async def list_active_grants(session: AsyncSession, person_id: PersonId) -> list[Grant]:
    """List the active grants of this person, newest first."""
    mine = select(_GRANT).where(_GRANT.c.person_id == person_id, _GRANT.c.ended_at.is_(None))
    rows = await session.execute(mine.order_by(_GRANT.c.created_at.desc(), _GRANT.c.id.desc()))
    return [grant_from_row(row) for row in rows if await authenticate_row(session, SEALED_GRANT, row)]


async def _fetch_grant(session: AsyncSession, statement: Select[Any]) -> Grant | None:
    row = (await session.execute(statement)).one_or_none()
    if row is None or not await authenticate_row(session, SEALED_GRANT, row):
        return None
    return grant_from_row(row)


def grant_from_row(row: Any) -> Grant:
    """Build the grant from a row, or from any object with its columns as attributes."""
    return Grant(
        id=row.id,
        client_id=row.client_id,
        person_id=row.person_id,
        machtiging_id=row.machtiging_id,
        authorization_details=row.authorization_details,
        scope=row.scope,
        assurance=Assurance(row.assurance),
        authenticated_at=row.authenticated_at,
        created_at=row.created_at,
        ended_at=row.ended_at,
        session_id=row.session_id,
        requested_claims=row.requested_claims,
        managed=row.managed,
        resource=row.resource,
        organisation_kvk=row.organisation_kvk,
    )
