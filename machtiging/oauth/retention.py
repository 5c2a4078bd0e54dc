"""Retention: delete expired requests, codes, assertions, tokens, proofs, logins, sessions, forms and drafts.

A background task, run by one worker at a time. Requests do not wait for it. It also clears what clients leave that only
introspect.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Table, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.access_tokens.retention import EXPIRED_TOKENS
from machtiging.identity.form_drafts import EXPIRED_DRAFTS
from machtiging.identity.form_recovery import EXPIRED_FORMS
from machtiging.identity.login_attempts import EXPIRED_ATTEMPTS
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
from machtiging.storage.columns import table_of
from machtiging.storage.sweep import SWEEP_AT, Sweep
from machtiging.storage.unit_of_work import unit_of_work

# Reuse of a code or refresh token is detected, and ends the grant, for this long after its expiry.
REUSE_DETECTION_PERIOD = timedelta(days=1)
_RETENTION_BY_TABLE: tuple[tuple[Table, timedelta], ...] = (
    (table_of(PushedRequest), timedelta(0)),
    (table_of(AuthorizationCode), REUSE_DETECTION_PERIOD),
    (table_of(UsedAssertion), timedelta(0)),
    (table_of(RefreshToken), REUSE_DETECTION_PERIOD),
    (table_of(BackchannelRequest), REUSE_DETECTION_PERIOD),
    (table_of(Meldcode), timedelta(0)),
)
_BATCH_SIZE = 500
# Bounds one run; the rest is deleted in the next run.
_MAX_BATCHES = 100
# Advisory lock: one sweep at a time per database. The number is arbitrary but fixed.
_SWEEP_LOCK_ID = 5403619
_TRY_SWEEP_LOCK = select(func.pg_try_advisory_xact_lock(_SWEEP_LOCK_ID))
_expiry_conditions = [(table, table.c.expires_at < SWEEP_AT - stays) for table, stays in _RETENTION_BY_TABLE]
# Deletes one batch of each table, and skips locked rows.
expired_rows_sweep = Sweep(
    *_expiry_conditions,
    *EXPIRED_TOKENS,
    EXPIRED_SESSIONS,
    EXPIRED_ATTEMPTS,
    EXPIRED_FORMS,
    EXPIRED_DRAFTS,
    batch_size=_BATCH_SIZE,
)


async def delete_expired_rows(
    sessions: async_sessionmaker[AsyncSession], clock: Clock, more_rows: Sweep | None = None
) -> int:
    """Delete all expired rows, one batch per transaction.

    Returns the number of rows. `more_rows`: a sweep of tables that this package does not know.

    Does nothing while another worker holds the advisory lock. Raises Fault `opslag_niet_bereikbaar`.
    """
    total = 0
    for _ in range(_MAX_BATCHES):
        async with unit_of_work(sessions) as session:
            deleted = 0
            if await session.scalar(_TRY_SWEEP_LOCK):
                deleted = await expired_rows_sweep(session, at=clock.now())
                deleted += 0 if more_rows is None else await more_rows(session, at=clock.now())
        total += deleted
        if deleted < _BATCH_SIZE:  # then no table had a full batch
            break
    return total
