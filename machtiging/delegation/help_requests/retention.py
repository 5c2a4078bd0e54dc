"""Retention of help requests: deleted ninety days after they could last be answered."""

from __future__ import annotations

from datetime import timedelta

from machtiging.delegation.tables import HelpRequestRow
from machtiging.storage.columns import table_of
from machtiging.storage.sweep import SWEEP_AT, Sweep

REQUEST_RETENTION = timedelta(days=90)
_REQUEST = table_of(HelpRequestRow)
expired_help_requests_sweep = Sweep((_REQUEST, _REQUEST.c.expires_at < SWEEP_AT - REQUEST_RETENTION))
