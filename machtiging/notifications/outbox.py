"""Insert notifications into the outbox, in the transaction of the change they report."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Uuid, column, insert, literal, select, table
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.kernel.ids import PersonId, uuid7
from machtiging.notifications.tables import Notification
from machtiging.notifications.texts import NotificationKind
from machtiging.storage.columns import table_of

_NOTIFICATION = table_of(Notification)
# The one column of `identity.tables.Person` that this needs. That package imports this one.
_PERSON = table("person", column("id", Uuid()))


async def enqueue_notification(
    session: AsyncSession, person_id: PersonId | None, kind: NotificationKind, facts: Mapping[str, Any], *, at: datetime
) -> None:
    """Insert a notification. `facts` are ids, days and public names: no name of a person, BSN, code or text.

    With `person_id` None nothing is inserted, but the same statement runs. So the response time does not reveal if the
    person exists (timing oracle). Nothing is inserted for an organisation either: it has no e-mail address.
    """
    row: dict[str, Any] = {"id": uuid7(), "person_id": person_id, "kind": kind, "facts": dict(facts), "created_at": at}
    row |= {"next_try_at": at, "tries": 0}
    is_person = select(_PERSON.c.id).where(_PERSON.c.id == literal(person_id, _PERSON.c.id.type))
    values = select(*(literal(value, _NOTIFICATION.c[name].type) for name, value in row.items()))
    await session.execute(insert(_NOTIFICATION).from_select(list(row), values.where(is_person.exists())))
