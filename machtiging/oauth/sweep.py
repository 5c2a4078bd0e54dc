"""Delete what has expired: pushed requests, codes, used assertions, tokens, proofs, logins, sessions and forms.

Housekeeping of the background, by one worker at a time. Whoever pushes, logs in or introspects does not wait for it;
what an agency leaves that only introspects goes, too.
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

# For how long after it expired a second use of a code or refresh token is still recognised, and ends the grant.
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
# So that a round comes to its end: what is left goes in the next.
_MOST_BATCHES = 100
# One sweeper at a time per database: an arbitrary but fixed advisory lock number.
_SWEEP_LOCK = 5403619
_TRY_LOCK = select(func.pg_try_advisory_xact_lock(_SWEEP_LOCK))
_expired = [(table, table.c.expires_at < AT - stays) for table, stays in _TABLES]
# Delete a batch of each kind, without waiting for anybody.
sweep = Sweep(*_expired, *EXPIRED, EXPIRED_SESSIONS, EXPIRED_ATTEMPTS, EXPIRED_FORMS, at_most=_BATCH)


async def sweep_expired(sessions: async_sessionmaker[AsyncSession], clock: Clock) -> int:
    """Delete all that has expired, a batch in a transaction, unless another worker is at it; tells how many rows went.

    Raises Fault `opslag_niet_bereikbaar`.
    """
    total = 0
    for _ in range(_MOST_BATCHES):
        async with unit_of_work(sessions) as session:
            deleted = await sweep(session, at=clock.now()) if await session.scalar(_TRY_LOCK) else 0
        total += deleted
        if deleted < _BATCH:  # then no kind had a whole batch
            break
    return total
