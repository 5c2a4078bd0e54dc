"""Which tokens and proofs have had their time: they open nothing, and what was done with them stands in the journal."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Table, select

from machtiging.access.tables import IssuedToken, UsedProof
from machtiging.storage.sweep import AT, Old

_TOKEN: Table = IssuedToken.__table__  # type: ignore[attr-defined]
_PROOF: Table = UsedProof.__table__  # type: ignore[attr-defined]
_CHILD = _TOKEN.alias("child")
_KEPT = timedelta(days=30)
# What was exchanged for a token goes before it: it hangs on it, and lives no longer.
_ALONE = ~select(_CHILD.c.id).where(_CHILD.c.parent_id == _TOKEN.c.id).exists()

# For the housekeeping: used proofs, and tokens that expired a month ago.
EXPIRED: tuple[Old, ...] = (
    (_PROOF, _PROOF.c.expires_at < AT),
    (_TOKEN, (_TOKEN.c.expires_at < AT - _KEPT) & _ALONE),
)
