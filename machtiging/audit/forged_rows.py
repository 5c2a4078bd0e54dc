"""Authentication of table rows by their MAC. A failure is journalled with the row's key."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.kernel.clock import SystemClock
from machtiging.storage.row_mac import INVALID, SealedTable, name_of, verifies
from machtiging.storage.statement import Work


async def authenticate_row(
    work: Work, sealed: SealedTable, row: Any, prefix: str = "", *, at: datetime | None = None
) -> bool:
    """Verify the MAC of a row before use. Logs an error and journals a failure.

    The caller treats a failure as if the row did not exist. `at`: the instant of the journal line; default now.
    """
    if verifies(work, sealed, row, prefix):
        return True
    name = name_of(sealed, getattr(row, "_mapping", row), prefix)
    line = Line(
        act=JournalAct.RIJ_GEWEIGERD,
        outcome=Outcome.REFUSED,
        reason=INVALID,
        object_kind=sealed.table.name,
        object_id=name,
    )
    await record(work, line, at=at or SystemClock().now())
    return False
