"""Advisory lock on the readers of an organisation. A departure and an assignment wait for each other.

So no assignment is made beside a departure that did not see it. It is taken before every row lock. Assignments take it
shared: they do not wait for each other. A decision about the recognition does not wait for it.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.organisations.tables import Organisation
from machtiging.storage.columns import table_of

_ORGANISATION = table_of(Organisation)


def _advisory_lock_key(organisation_id: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.hashtextextended(literal("lezers:").concat(cast(organisation_id, Text)), 0)


async def lock_readers_of_login(session: AsyncSession, kvk: str | None, *, exclusive: bool = False) -> None:
    """Take the lock of every vestiging with this KvK number, shared unless `exclusive`."""
    lock = func.pg_advisory_xact_lock if exclusive else func.pg_advisory_xact_lock_shared
    mine = select(_ORGANISATION.c.id).where(_ORGANISATION.c.kvk == kvk).order_by(_ORGANISATION.c.id).subquery("mine")
    await session.execute(select(lock(_advisory_lock_key(mine.c.id))))


async def lock_readers_shared(session: AsyncSession, organisation_id: UUID) -> None:
    """Take the shared lock of one organisation."""
    key = _advisory_lock_key(literal(str(organisation_id)))
    await session.execute(select(func.pg_advisory_xact_lock_shared(key)))


async def lock_readers(session: AsyncSession, organisation_id: UUID) -> None:
    """Take the exclusive lock of one organisation."""
    await session.execute(select(func.pg_advisory_xact_lock(_advisory_lock_key(literal(str(organisation_id))))))
