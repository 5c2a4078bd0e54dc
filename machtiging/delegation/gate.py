"""The gate before the row of a machtiging: who wants to change it is next, however many want to read under it.

PostgreSQL lets readers (FOR SHARE) in beside each other for as long as they keep coming, so a helper who asks without
pause could put a revocation off. An advisory lock has a queue: a reader who comes later waits. It is for fairness
only; what holds a machtiging as it is remains the lock on its row. Order: first the gate, then the row.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Text, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.kernel.ids import MachtigingId


def _key(machtiging_id: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.hashtextextended(literal("machtiging:").concat(cast(machtiging_id, Text)), 0)


def enter_beside_others(machtiging_id: ColumnElement[Any]) -> FromClause:
    """For the FROM of a statement that reads and holds: through the gate together with other readers."""
    return func.pg_advisory_xact_lock_shared(_key(machtiging_id)).table_valued("entered").lateral("gate")


async def enter_alone(session: AsyncSession, machtiging_id: MachtigingId) -> None:
    """Through the gate before changing the machtiging: waits for those who read now, and nobody goes before."""
    await session.execute(select(func.pg_advisory_xact_lock(_key(literal(str(machtiging_id))))))
