"""Insert notifications into the outbox, in the transaction of the change they report."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.kernel.ids import PersonId, uuid7
from machtiging.notifications.tables import Notification
from machtiging.notifications.texts import NotificationKind
from machtiging.storage.columns import table_of

_NOTIFICATION = table_of(Notification)


async def enqueue_notification(
    session: AsyncSession, person_id: PersonId | None, kind: NotificationKind, facts: Mapping[str, Any], *, at: datetime
) -> None:
    """Insert a notification. `facts` are ids, days and public names: no name of a person, BSN, code or text.

    With `person_id` None nothing is inserted, but the same statement runs. So the response time does not reveal if the
    person exists (timing oracle).
    """
    row: dict[str, Any] = {"id": uuid7(), "person_id": person_id, "kind": kind, "facts": dict(facts), "created_at": at}
    row |= {"next_try_at": at, "tries": 0}
    values = select(*(literal(value, _NOTIFICATION.c[name].type) for name, value in row.items()))
    await session.execute(insert(_NOTIFICATION).from_select(list(row), values.where(literal(person_id is not None))))
