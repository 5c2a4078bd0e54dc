"""A row whose MAC fails: it opens nothing, and the journal says which row that was."""

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
    """Verify a row before anything of it is believed; a failure is logged as an error and written in the journal.

    The caller answers a failure as if there were no such row. `at`: the moment of the line, now unless given.
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
