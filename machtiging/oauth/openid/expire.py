"""Sessions that end by themselves: the apps that were shown them are told, and what people agreed to stays.

Back-Channel Logout 1.0 is about every end of a session. What was agreed to in it was agreed to for a time that the
consent page named: it does not stop because somebody closed her laptop (docs/divergences.md).
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.identity.over.expire import expire_some
from machtiging.identity.session import SessionLimits
from machtiging.kernel.clock import Clock
from machtiging.oauth.openid.notices import note_whom_to_tell
from machtiging.storage.unit_of_work import unit_of_work

_BATCH = 100


async def expire_sessions(sessions: async_sessionmaker[AsyncSession], limits: SessionLimits, clock: Clock) -> int:
    """End all sessions that are over and note whom to tell, a batch in a transaction; tells how many ended.

    Raises Fault `opslag_niet_bereikbaar`.
    """
    total = 0
    while True:
        at = clock.now()
        async with unit_of_work(sessions) as session:
            over = await expire_some(session, limits, at_most=_BATCH, at=at)
            await note_whom_to_tell(session, over, at)
        total += len(over)
        if len(over) < _BATCH:
            return total
