"""Check the revocation of a token again after a wait without a lock."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from machtiging.access.bearer import credentials_in
from machtiging.access.dependencies import access_services
from machtiging.access.tables import IssuedToken
from machtiging.access.tokens import audience
from machtiging.kernel.errors import NotAuthenticated

_TOKEN: Table = IssuedToken.__table__  # type: ignore[attr-defined]


async def recheck(request: Request, session: AsyncSession, *, opened_at: datetime) -> None:
    """Check that the request's token is not revoked, and lock it until the transaction ends.

    A token that expired since `opened_at` is accepted: the request began in time. Call it last, to keep the lock short.
    Raises NotAuthenticated `token_ingetrokken`.
    """
    services = access_services(request)
    token, place = credentials_in(request).token, audience(services.issuer)
    claims = services.keyring.verify_own_jwt(token, typ="at+jwt", issuer=services.issuer, audience=place, at=opened_at)
    mine = select(_TOKEN.c.id).where(_TOKEN.c.id == UUID(claims["jti"]), _TOKEN.c.revoked_at.is_(None))
    if await session.scalar(mine.with_for_update(read=True)) is None:
        raise NotAuthenticated("token_ingetrokken", "Dit toegangsbewijs is ingetrokken. Log opnieuw in.")
