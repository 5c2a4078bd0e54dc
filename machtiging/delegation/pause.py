"""Pause and resume a machtiging as its giver. Both take effect with the helper's next request."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.move import move
from machtiging.delegation.rules import Deed, Machtiging
from machtiging.kernel.ids import MachtigingId, PersonId


async def pause(session: AsyncSession, machtiging_id: MachtigingId, giver_id: PersonId, *, at: datetime) -> Machtiging:
    """Pause a machtiging. Raises NotFound `machtiging_onbekend`, Conflict (see `rules.resolve_transition`)."""
    return await move(session, Deed.PAUSE, machtiging_id, giver_id, at=at)


async def resume(session: AsyncSession, machtiging_id: MachtigingId, giver_id: PersonId, *, at: datetime) -> Machtiging:
    """Resume a machtiging. Raises NotFound `machtiging_onbekend`, Conflict (see `rules.resolve_transition`)."""
    return await move(session, Deed.RESUME, machtiging_id, giver_id, at=at)
