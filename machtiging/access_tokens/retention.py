"""Retention of tokens and DPoP proofs: the rows that housekeeping may delete.

Deleted rows grant nothing any more, and the journal keeps what was done with them.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from machtiging.access_tokens.tables import IssuedToken, UsedProof
from machtiging.storage.columns import table_of
from machtiging.storage.sweep import SWEEP_AT, ExpiredRows

_TOKEN_TABLE = table_of(IssuedToken)
_PROOF_TABLE = table_of(UsedProof)
_CHILD = _TOKEN_TABLE.alias("child")
_RETENTION_PERIOD = timedelta(days=30)
# A token refers to the one it was exchanged for (`parent_id`) and expires no later, so children are deleted first.
_HAS_NO_CHILD = ~select(_CHILD.c.id).where(_CHILD.c.parent_id == _TOKEN_TABLE.c.id).exists()

# Expired proofs at once, tokens a month after they expired.
EXPIRED_TOKENS: tuple[ExpiredRows, ...] = (
    (_PROOF_TABLE, _PROOF_TABLE.c.expires_at < SWEEP_AT),
    (_TOKEN_TABLE, (_TOKEN_TABLE.c.expires_at < SWEEP_AT - _RETENTION_PERIOD) & _HAS_NO_CHILD),
)
