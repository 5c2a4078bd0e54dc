"""Load the offers to one organisation."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.authority.queries import load_authorities
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.queries import machtiging_table
from machtiging.delegation.rules import Machtiging, MachtigingState

# How long an organisation can accept: three weeks, as long as a request waits.
OFFER_LIFETIME = timedelta(days=21)
MAX_OFFERS_SHOWN = 100
_MACHTIGING = machtiging_table()


def compute_offer_end(offered: Machtiging) -> datetime:
    """Return until when the organisation can accept."""
    return min(offered.offered_at + OFFER_LIFETIME, offered.period.ends_at)


async def list_offers_to(session: AsyncSession, organisation_id: UUID, *, at: datetime) -> list[Authority]:
    """List the open offers to this organisation, the newest first, at most 100. Forged ones are left out."""
    table = _MACHTIGING
    is_open = (
        (table.c.offered_to == organisation_id)
        & (table.c.state == MachtigingState.OFFERED.value)
        & (table.c.offered_at > at - OFFER_LIFETIME)
    )
    found = await load_authorities(session, is_open, at=at, limit=MAX_OFFERS_SHOWN)
    return [one for one in found if one.is_authentic and at < compute_offer_end(one.root)]
