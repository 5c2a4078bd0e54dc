"""Session expiry: end expired sessions and write their logout notices. Grants stay.

Back-Channel Logout 1.0 covers every end of a session. A consent lasts for the time on the consent page, so it does not
end with an idle session (docs/divergences.md).
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.identity.rules import SessionLimits
from machtiging.identity.session_end import expire_session_batch
from machtiging.kernel.clock import Clock
from machtiging.oauth.openid.logout_notices import insert_logout_notices
from machtiging.storage.unit_of_work import unit_of_work

_BATCH_SIZE = 100


async def expire_sessions(sessions: async_sessionmaker[AsyncSession], limits: SessionLimits, clock: Clock) -> int:
    """End all expired sessions and insert their logout notices; return the number of sessions.

    One transaction for each batch. Raises Fault `opslag_niet_bereikbaar`.
    """
    total = 0
    while True:
        at = clock.now()
        async with unit_of_work(sessions) as session:
            over = await expire_session_batch(session, limits, limit=_BATCH_SIZE, at=at)
            await insert_logout_notices(session, over, at)
        total += len(over)
        if len(over) < _BATCH_SIZE:
            return total
