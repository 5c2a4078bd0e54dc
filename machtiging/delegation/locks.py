"""Advisory lock before the row lock of a machtiging, against writer starvation.

Readers take it shared before FOR SHARE; a writer takes it exclusively before its row lock. PostgreSQL lets FOR SHARE
readers overtake a waiting writer, so a steady reader could delay a revocation. An advisory lock has a queue, so later
readers wait. It is for fairness only; the row lock protects the row. Order: first the advisory lock, then the row.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Text, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.kernel.ids import MachtigingId, PersonId


def _advisory_lock_key(machtiging_id: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.hashtextextended(literal("machtiging:").concat(cast(machtiging_id, Text)), 0)


def lock_shared(machtiging_id: ColumnElement[Any]) -> FromClause:
    """Return a FROM clause that takes the shared advisory lock.

    For a statement with FOR SHARE.
    """
    return func.pg_advisory_xact_lock_shared(_advisory_lock_key(machtiging_id)).table_valued("entered").lateral("gate")


async def lock_exclusive(session: AsyncSession, machtiging_id: MachtigingId) -> None:
    """Take the exclusive advisory lock before changing a machtiging.

    Waits for current readers; later readers wait for it.
    """
    await session.execute(select(func.pg_advisory_xact_lock(_advisory_lock_key(literal(str(machtiging_id))))))


async def lock_giver_shared(session: AsyncSession, person_id: PersonId) -> None:
    """Keep out what stops the machtigingen of this person, until the transaction ends.

    That is an emergency stop or a measure of a court. Take it before any lock on a machtiging.
    """
    await session.execute(select(func.pg_advisory_xact_lock_shared(_giver_lock_key(person_id))))


async def lock_giver(session: AsyncSession, person_id: PersonId) -> None:
    """Serialise what stops the machtigingen of this person. Every new or longer one holds the same lock shared."""
    await session.execute(select(func.pg_advisory_xact_lock(_giver_lock_key(person_id))))


def _giver_lock_key(person_id: PersonId) -> ColumnElement[Any]:
    return func.hashtextextended(literal(f"noodstop:{person_id}"), 0)
