"""Retention of tokens and DPoP proofs: the rows that housekeeping may delete.

Deleted rows grant nothing any more, and the journal keeps what was done with them.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Table, select

from machtiging.access.tables import IssuedToken, UsedProof
from machtiging.storage.sweep import AT, Old

_TOKEN: Table = IssuedToken.__table__  # type: ignore[attr-defined]
_PROOF: Table = UsedProof.__table__  # type: ignore[attr-defined]
_CHILD = _TOKEN.alias("child")
_KEPT = timedelta(days=30)
# A token refers to the one it was exchanged for (`parent_id`) and expires no later, so children are deleted first.
_ALONE = ~select(_CHILD.c.id).where(_CHILD.c.parent_id == _TOKEN.c.id).exists()

# Expired proofs at once, tokens a month after they expired.
EXPIRED: tuple[Old, ...] = (
    (_PROOF, _PROOF.c.expires_at < AT),
    (_TOKEN, (_TOKEN.c.expires_at < AT - _KEPT) & _ALONE),
)
