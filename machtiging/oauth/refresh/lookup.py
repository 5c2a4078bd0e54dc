"""Read a refresh token without consuming it, for introspection and revocation by its own client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, bindparam, select, true

from machtiging.access_tokens.representation import Representation
from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto import secrets
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import GrantId, PersonId
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler, RepresentationKey
from machtiging.oauth.authorization_details.parsing import extract_representation_set
from machtiging.oauth.authorization_details.representations import HANDLERS_CACHED
from machtiging.oauth.client import Client
from machtiging.oauth.tables import SEALED_GRANT, SEALED_REFRESH_TOKEN, OAuthClient, OAuthGrant, RefreshToken
from machtiging.storage.columns import table_of
from machtiging.storage.statement import Executor, ResultRow, Statement

_CLIENT = table_of(OAuthClient)
_GRANT = table_of(OAuthGrant)
_TOKEN = table_of(RefreshToken)


def select_refresh_token(handler: AuthorizationDetailsHandler) -> Select[Any]:
    """Build the select of a refresh token with its grant, client and representation. Parameter: `token_hash`."""
    key = RepresentationKey(_GRANT.c.machtiging_id, _GRANT.c.person_id, _TOKEN.c.organisation_kvk)
    represented = handler.select_representation(key).lateral("represented")
    chosen = (
        *(column.label(f"t_{column.name}") for column in _TOKEN.c),
        *(column.label(f"g_{column.name}") for column in _GRANT.c),
        _CLIENT.c.state.label("client_state"),
    )
    tables = (
        _TOKEN.join(_GRANT, _GRANT.c.id == _TOKEN.c.grant_id)
        .join(_CLIENT, _CLIENT.c.client_id == _TOKEN.c.client_id)
        .outerjoin(represented, true())
    )
    mine = _TOKEN.c.token_hash == bindparam("token_hash")
    return select(*chosen, represented).select_from(tables).where(mine)


@lru_cache(maxsize=HANDLERS_CACHED)
def _build_statement(handler: AuthorizationDetailsHandler) -> Statement:
    return Statement(select_refresh_token(handler))


@dataclass(frozen=True, slots=True)
class RefreshTokenView:
    """A refresh token with its current state. Authlib calls `check_client`."""

    client_id: str
    grant_id: GrantId
    person_id: PersonId
    representation: Representation | None
    is_several: bool
    scope: str
    created_at: datetime
    expires_at: datetime
    active: bool

    def check_client(self, client: Client) -> bool:
        """Check that it was issued to this client."""
        return self.client_id == client.client_id

    def is_revoked(self) -> bool:
        """Check that it is inactive: used, expired, grant ended or representation not in force."""
        return not self.active

    def to_introspection_response(self) -> dict[str, Any]:
        """Build the introspection response for its own client (RFC 7662 2.2)."""
        times = {"exp": int(self.expires_at.timestamp()), "iat": int(self.created_at.timestamp())}
        return {"active": True, "client_id": self.client_id, "scope": self.scope, **times}


async def find_refresh_token(
    executor: Executor, handler: AuthorizationDetailsHandler, token: str, *, at: datetime
) -> RefreshTokenView | None:
    """Find a refresh token; None when unknown, deleted or forged."""
    row = await _build_statement(handler).one_or_none(executor, {"token_hash": secrets.sha256_digest(token)})
    return None if row is None else await build_refresh_token_view(executor, handler, row, at)


async def build_refresh_token_view(
    executor: Executor, handler: AuthorizationDetailsHandler, row: ResultRow, at: datetime
) -> RefreshTokenView | None:
    """Build the view from a row of `select_refresh_token`. None, journalled, for a forged row."""
    if not await _verify_rows(executor, row, at):
        return None
    representation, organisation_kvk = handler.read_representation(executor, row), row["t_organisation_kvk"]
    person_id, login = row["g_person_id"], Assurance(row["g_assurance"])
    usable = representation is not None and representation.refusal(person_id, organisation_kvk, login, at) is None
    several = extract_representation_set(row["g_authorization_details"])
    if row["g_machtiging_id"] is None:
        usable = several is None or (
            await handler.representation_set_refusal(executor, several, person_id, organisation_kvk, login, at) is None
        )
    stands = organisation_kvk == row["g_organisation_kvk"] and usable
    whole = row["g_ended_at"] is None and row["client_state"] == "active" and stands
    return RefreshTokenView(
        client_id=row["t_client_id"],
        grant_id=row["t_grant_id"],
        person_id=row["g_person_id"],
        representation=representation,
        is_several=several is not None,
        scope=row["g_scope"],
        created_at=row["t_created_at"],
        expires_at=row["t_expires_at"],
        active=whole and row["t_used_at"] is None and at < row["t_expires_at"],
    )


async def _verify_rows(executor: Executor, row: ResultRow, at: datetime) -> bool:
    token = await authenticate_row(executor, SEALED_REFRESH_TOKEN, row, "t_", at=at)
    return token and await authenticate_row(executor, SEALED_GRANT, row, "g_", at=at)
