"""Advisory lock before the row lock of a machtiging, against writer starvation.

Readers take it shared before FOR SHARE; a writer takes it exclusively before its row lock. PostgreSQL lets FOR SHARE
readers overtake a waiting writer, so a steady reader could delay a revocation. An advisory lock has a queue, so later
readers wait. It is for fairness only; the row lock protects the row. Order: first the advisory lock, then the row.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Text, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.kernel.ids import MachtigingId


def _key(machtiging_id: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.hashtextextended(literal("machtiging:").concat(cast(machtiging_id, Text)), 0)


def enter_beside_others(machtiging_id: ColumnElement[Any]) -> FromClause:
    """Return a FROM clause that takes the shared advisory lock.

    For a statement with FOR SHARE.
    """
    return func.pg_advisory_xact_lock_shared(_key(machtiging_id)).table_valued("entered").lateral("gate")


async def enter_alone(session: AsyncSession, machtiging_id: MachtigingId) -> None:
    """Take the exclusive advisory lock before changing a machtiging.

    Waits for current readers; later readers wait for it.
    """
    await session.execute(select(func.pg_advisory_xact_lock(_key(literal(str(machtiging_id))))))
