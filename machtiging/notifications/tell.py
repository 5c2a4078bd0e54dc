"""Put a message in the outbox, in the transaction of the change it tells of: told if and only if it was done."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Table, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.kernel.ids import PersonId, uuid7
from machtiging.notifications.tables import Notification
from machtiging.notifications.texts import Kind

_NOTIFICATION: Table = Notification.__table__  # type: ignore[attr-defined]


async def tell(
    session: AsyncSession, person_id: PersonId | None, kind: Kind, facts: Mapping[str, Any], *, at: datetime
) -> None:
    """Have this person told. `facts` are ids and days: no name, no BSN, no code, nothing from a letter.

    Nobody (None) is told nothing, and the database is asked the same: who must not learn whether there was somebody
    does not learn it from the time that it took either.
    """
    row: dict[str, Any] = {"id": uuid7(), "person_id": person_id, "kind": kind, "facts": dict(facts), "created_at": at}
    row |= {"next_try_at": at, "tries": 0}
    told = select(*(literal(value, _NOTIFICATION.c[name].type) for name, value in row.items()))
    await session.execute(insert(_NOTIFICATION).from_select(list(row), told.where(literal(person_id is not None))))
