"""Retention: delete expired requests, codes, assertions, tokens, proofs, logins, sessions and forms.

A background task, run by one worker at a time. Requests do not wait for it. It also clears what clients leave that only
introspect.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Table, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.access.issued.clear import EXPIRED
from machtiging.identity.attempts import EXPIRED_ATTEMPTS
from machtiging.identity.kept_forms import EXPIRED_FORMS
from machtiging.identity.session import EXPIRED_SESSIONS
from machtiging.kernel.clock import Clock
from machtiging.oauth.tables import (
    AuthorizationCode,
    BackchannelRequest,
    Meldcode,
    PushedRequest,
    RefreshToken,
    UsedAssertion,
)
from machtiging.storage.sweep import AT, Sweep
from machtiging.storage.unit_of_work import unit_of_work

# Reuse of a code or refresh token is detected, and ends the grant, for this long after its expiry.
CODES_STAY = timedelta(days=1)
_TABLES: tuple[tuple[Table, timedelta], ...] = (
    (PushedRequest.__table__, timedelta(0)),  # type: ignore[attr-defined]
    (AuthorizationCode.__table__, CODES_STAY),  # type: ignore[attr-defined]
    (UsedAssertion.__table__, timedelta(0)),  # type: ignore[attr-defined]
    (RefreshToken.__table__, CODES_STAY),  # type: ignore[attr-defined]
    (BackchannelRequest.__table__, CODES_STAY),  # type: ignore[attr-defined]
    (Meldcode.__table__, timedelta(0)),  # type: ignore[attr-defined]
)
_BATCH = 500
# Bounds one run; the rest is deleted in the next run.
_MOST_BATCHES = 100
# Advisory lock: one sweep at a time per database. The number is arbitrary but fixed.
_SWEEP_LOCK = 5403619
_TRY_LOCK = select(func.pg_try_advisory_xact_lock(_SWEEP_LOCK))
_expired = [(table, table.c.expires_at < AT - stays) for table, stays in _TABLES]
# Deletes one batch of each table, and skips locked rows.
sweep = Sweep(*_expired, *EXPIRED, EXPIRED_SESSIONS, EXPIRED_ATTEMPTS, EXPIRED_FORMS, at_most=_BATCH)


async def sweep_expired(sessions: async_sessionmaker[AsyncSession], clock: Clock) -> int:
    """Delete all expired rows, one batch per transaction.

    Returns the number of rows.

    Does nothing while another worker holds the advisory lock. Raises Fault `opslag_niet_bereikbaar`.
    """
    total = 0
    for _ in range(_MOST_BATCHES):
        async with unit_of_work(sessions) as session:
            deleted = await sweep(session, at=clock.now()) if await session.scalar(_TRY_LOCK) else 0
        total += deleted
        if deleted < _BATCH:  # then no table had a full batch
            break
    return total
