"""Clearing away what has had its time: pushed requests, codes, used assertions and tokens, a handful at a time."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Table

from machtiging.access.issued.clear import EXPIRED
from machtiging.oauth.tables import (
    AuthorizationCode,
    BackchannelRequest,
    Meldcode,
    PushedRequest,
    RefreshToken,
    UsedAssertion,
)
from machtiging.storage.sweep import AT, Sweep

# For how long after it expired a second use of a code or refresh token is still recognised, and ends the grant.
CODES_STAY = timedelta(days=1)
_TABLES: tuple[tuple[Table, timedelta], ...] = (
    (PushedRequest.__table__, timedelta(0)),  # type: ignore[attr-defined]
    (AuthorizationCode.__table__, CODES_STAY),  # type: ignore[attr-defined]
    (UsedAssertion.__table__, timedelta(0)),  # type: ignore[attr-defined]
    (RefreshToken.__table__, CODES_STAY),  # type: ignore[attr-defined]
    (BackchannelRequest.__table__, CODES_STAY),  # type: ignore[attr-defined]
    (Meldcode.__table__, timedelta(0)),  # type: ignore[attr-defined]
)
# Delete up to a hundred rows of each kind that are over, without waiting for anybody. Every push does this, and adds
# fewer: so nothing grows for ever, however many are pushed.
sweep = Sweep(*((table, table.c.expires_at < AT - stays) for table, stays in _TABLES), *EXPIRED)
