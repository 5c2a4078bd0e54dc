"""Authentication of table rows by their MAC. A failure is journalled with the row's key."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.kernel.clock import SystemClock
from machtiging.kernel.errors import ROW_INVALID
from machtiging.storage.row_mac import SealedTable, format_primary_key, verify_row
from machtiging.storage.statement import Executor


async def authenticate_row(
    executor: Executor, sealed_table: SealedTable, row: Any, prefix: str = "", *, at: datetime | None = None
) -> bool:
    """Verify the MAC of a row before use. Logs an error and journals a failure.

    The caller treats a failure as if the row did not exist. `at`: the instant of the journal line; default now.
    """
    if verify_row(executor, sealed_table, row, prefix):
        return True
    name = format_primary_key(sealed_table, getattr(row, "_mapping", row), prefix)
    line = NewJournalLine(
        act=JournalAct.RIJ_GEWEIGERD,
        outcome=JournalOutcome.REFUSED,
        reason=ROW_INVALID,
        object_kind=sealed_table.table.name,
        object_id=name,
    )
    await record(executor, line, at=at or SystemClock().now())
    return False
