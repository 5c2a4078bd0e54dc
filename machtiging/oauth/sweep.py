"""Clearing away what has had its time: pushed requests, codes, used assertions and tokens, a handful at a time."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.issued.clear import clear_expired
from machtiging.oauth.tables import (
    AuthorizationCode,
    BackchannelRequest,
    Meldcode,
    PushedRequest,
    RefreshToken,
    UsedAssertion,
)
from machtiging.storage.sweep import sweep as clear

# For how long after it expired a second use of a code or refresh token is still recognised, and ends the grant.
CODES_STAY = timedelta(days=1)
_SWEEP = 100
_TABLES: tuple[tuple[Table, timedelta], ...] = (
    (PushedRequest.__table__, timedelta(0)),  # type: ignore[attr-defined]
    (AuthorizationCode.__table__, CODES_STAY),  # type: ignore[attr-defined]
    (UsedAssertion.__table__, timedelta(0)),  # type: ignore[attr-defined]
    (RefreshToken.__table__, CODES_STAY),  # type: ignore[attr-defined]
    (BackchannelRequest.__table__, CODES_STAY),  # type: ignore[attr-defined]
    (Meldcode.__table__, timedelta(0)),  # type: ignore[attr-defined]
)


async def sweep(session: AsyncSession, *, at: datetime) -> None:
    """Delete up to a hundred rows of each kind that are over, without waiting for anybody.

    Every push does this, and adds fewer: so nothing grows for ever, however many are pushed.
    """
    for table, stays in _TABLES:
        await clear(session, table, table.c.expires_at < at - stays, at_most=_SWEEP)
    await clear_expired(session, at)
