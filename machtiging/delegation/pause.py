"""The giver lets a machtiging rest, and wakes it again. Both take effect with the very next request of the helper."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.move import move
from machtiging.delegation.rules import Deed, Machtiging
from machtiging.kernel.ids import MachtigingId, PersonId


async def pause(session: AsyncSession, machtiging_id: MachtigingId, giver_id: PersonId, *, at: datetime) -> Machtiging:
    """Let it rest. Raises NotFound `machtiging_onbekend`, Conflict (see `rules.step`)."""
    return await move(session, Deed.PAUSE, machtiging_id, giver_id, at=at)


async def resume(session: AsyncSession, machtiging_id: MachtigingId, giver_id: PersonId, *, at: datetime) -> Machtiging:
    """Wake it. Raises NotFound `machtiging_onbekend`, Conflict (see `rules.step`)."""
    return await move(session, Deed.RESUME, machtiging_id, giver_id, at=at)
