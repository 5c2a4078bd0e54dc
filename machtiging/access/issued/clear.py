"""Clearing away tokens and proofs that have had their time, a handful at a time."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.tables import IssuedToken, UsedProof
from machtiging.storage.sweep import sweep

_TOKEN: Table = IssuedToken.__table__  # type: ignore[attr-defined]
_PROOF: Table = UsedProof.__table__  # type: ignore[attr-defined]
_KEPT = timedelta(days=30)
_SWEEP = 100


async def clear_expired(session: AsyncSession, at: datetime) -> int:
    """Clear away a handful of used proofs and of tokens that expired a month ago; tells how many of the latter.

    Nobody is waited for.

    They open nothing, and what was done with them stands in the journal.
    """
    await sweep(session, _PROOF, _PROOF.c.expires_at < at, at_most=_SWEEP)
    # What was exchanged for a token goes first: it hangs on it, and lives no longer.
    child = _TOKEN.alias("child")
    alone = ~select(child.c.id).where(child.c.parent_id == _TOKEN.c.id).exists()
    return await sweep(session, _TOKEN, (_TOKEN.c.expires_at < at - _KEPT) & alone, at_most=_SWEEP)
