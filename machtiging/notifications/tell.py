"""Put a message in the outbox, in the transaction of the change it tells of: told if and only if it was done."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.kernel.ids import PersonId, uuid7
from machtiging.notifications.tables import Notification
from machtiging.notifications.texts import Kind


async def tell(
    session: AsyncSession, person_id: PersonId, kind: Kind, facts: Mapping[str, Any], *, at: datetime
) -> None:
    """Have this person told. `facts` are ids and days: no name, no BSN, no code, nothing from a letter."""
    row = {"id": uuid7(), "person_id": person_id, "kind": kind, "facts": dict(facts), "created_at": at}
    await session.execute(insert(Notification).values(row | {"next_try_at": at, "tries": 0}))
