"""Retention of help requests (ninety days), invitations and tasks (thirty), and search keys that expired."""

from __future__ import annotations

from datetime import timedelta

from machtiging.delegation.caseload.search_index import EXPIRED_SEARCH_KEYS
from machtiging.delegation.tables import HelpRequestRow
from machtiging.organisations.invitations.queries import EXPIRED_INVITATIONS
from machtiging.storage.columns import table_of
from machtiging.storage.sweep import SWEEP_AT, Sweep
from machtiging.tasks.retention import EXPIRED_TASK_ITEMS, EXPIRED_TASKS

REQUEST_RETENTION = timedelta(days=90)
_REQUEST = table_of(HelpRequestRow)
expired_delegation_rows_sweep = Sweep(
    (_REQUEST, _REQUEST.c.expires_at < SWEEP_AT - REQUEST_RETENTION),
    EXPIRED_SEARCH_KEYS,
    EXPIRED_INVITATIONS,
    EXPIRED_TASK_ITEMS,
    EXPIRED_TASKS,
    batch_size=500,
)
