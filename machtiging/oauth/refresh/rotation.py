"""Refresh token rotation: one atomic UPDATE consumes the token; a second use ends the family."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access_tokens.sender_constraint.binding import TokenBinding
from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto import secrets
from machtiging.kernel.errors import ROW_INVALID
from machtiging.kernel.ids import GrantId
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler
from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.queries import lock_active_client
from machtiging.oauth.refresh.binding import conditions_for_binding, wrong_binding_error
from machtiging.oauth.refresh.reuse_detection import REFRESH_TOKEN_REUSED, end_token_family
from machtiging.oauth.tables import SEALED_REFRESH_TOKEN, RefreshToken
from machtiging.storage.columns import table_of

_TOKEN = table_of(RefreshToken)


class RefreshTokenReuse(OAuthRefusal):
    """A used refresh token was presented again. `ended_family`: this request ended the family."""

    def __init__(self, *, ended_family: bool) -> None:
        super().__init__(OAuthErrorCode.INVALID_GRANT, REFRESH_TOKEN_REUSED)
        self.ended_family = ended_family


@dataclass(frozen=True, slots=True)
class ConsumedRefreshToken:
    """A refresh token that this request consumed."""

    token_hash: bytes
    grant_id: GrantId
    resource: str | None
    expires_at: datetime
    organisation_kvk: str | None


async def consume_refresh_token(
    session: AsyncSession,
    handler: AuthorizationDetailsHandler,
    token: str,
    client: Client,
    binding: TokenBinding,
    *,
    at: datetime,
) -> ConsumedRefreshToken:
    """Consume a refresh token of this client, if the binding matches.

    Raises OAuthRefusal `invalid_grant`, `invalid_dpop_proof`. Raises RefreshTokenReuse for a used token: the family was
    ended in this transaction, which must commit. Lock order, as everywhere: client, token, grant.
    """
    if not await lock_active_client(session, client.client_id):
        raise OAuthRefusal(OAuthErrorCode.INVALID_CLIENT, "client_onbekend")
    digest = secrets.sha256_digest(token)
    mine = (_TOKEN.c.token_hash == digest, _TOKEN.c.client_id == client.client_id)
    using = (
        update(_TOKEN)
        .where(*mine, *conditions_for_binding(client, binding), _TOKEN.c.used_at.is_(None))
        .values(used_at=at)
    )
    row = (await session.execute(using.returning(*_TOKEN.c))).one_or_none()
    if row is None:
        await _refuse_token(session, handler, digest, client, binding, at)
    if not await authenticate_row(session, SEALED_REFRESH_TOKEN, row, at=at):
        raise OAuthRefusal(OAuthErrorCode.INVALID_GRANT, ROW_INVALID)
    return ConsumedRefreshToken(digest, GrantId(row.grant_id), row.resource, row.expires_at, row.organisation_kvk)


async def _refuse_token(
    session: AsyncSession,
    handler: AuthorizationDetailsHandler,
    digest: bytes,
    client: Client,
    binding: TokenBinding,
    at: datetime,
) -> NoReturn:
    """Raise the refusal for a token that could not be consumed.

    Unknown, or of another client: nothing changes. With another binding: the token stays usable. Used: reuse detection.
    """
    mine = (_TOKEN.c.token_hash == digest, _TOKEN.c.client_id == client.client_id)
    found = (await session.execute(select(_TOKEN).where(*mine))).one_or_none()
    if found is None:
        raise OAuthRefusal(OAuthErrorCode.INVALID_GRANT, "verversing_onbekend")
    if found.used_at is None:
        raise wrong_binding_error(client, TokenBinding(found.jkt, found.x5t), binding)
    ended = await end_token_family(session, handler, GrantId(found.grant_id), client, at=at)
    raise RefreshTokenReuse(ended_family=ended)


async def restore_refresh_token(session: AsyncSession, consumed: ConsumedRefreshToken) -> None:
    """Mark the token as unused again, in the same transaction: a refusal consumes nothing.

    Otherwise the client's retry, after an excessive request or a paused machtiging, would look like theft.
    """
    await session.execute(update(_TOKEN).where(_TOKEN.c.token_hash == consumed.token_hash).values(used_at=None))
