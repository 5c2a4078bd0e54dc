"""Check the revocation of a token again after a wait without a lock."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from machtiging.access_tokens.bearer import read_authorization_header
from machtiging.access_tokens.dependencies import token_services
from machtiging.access_tokens.issued_token import api_audience
from machtiging.access_tokens.tables import IssuedToken
from machtiging.kernel.errors import NotAuthenticated
from machtiging.storage.columns import table_of

_TOKEN_TABLE = table_of(IssuedToken)


async def assert_token_not_revoked(request: Request, session: AsyncSession, *, opened_at: datetime) -> None:
    """Check that the request's token is not revoked, and lock it until the transaction ends.

    A token that expired since `opened_at` is accepted: the request began in time. Call it last, to keep the lock short.
    Raises NotAuthenticated `token_ingetrokken`.
    """
    services = token_services(request)
    token, place = read_authorization_header(request).token, api_audience(services.issuer)
    claims = services.keyring.verify_own_jwt(token, typ="at+jwt", issuer=services.issuer, audience=place, at=opened_at)
    mine = select(_TOKEN_TABLE.c.id).where(
        _TOKEN_TABLE.c.id == UUID(claims["jti"]), _TOKEN_TABLE.c.revoked_at.is_(None)
    )
    if await session.scalar(mine.with_for_update(read=True)) is None:
        raise NotAuthenticated("token_ingetrokken")
