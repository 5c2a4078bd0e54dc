"""Insert notifications into the outbox, in the transaction of the change they report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Uuid, any_, column, insert, literal, select, table
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
    row = _build_row(person_id, kind, facts, at)
    is_person = select(_PERSON.c.id).where(_PERSON.c.id == literal(person_id, _PERSON.c.id.type))
    values = select(*(literal(value, _NOTIFICATION.c[name].type) for name, value in row.items()))
    await session.execute(insert(_NOTIFICATION).from_select(list(row), values.where(is_person.exists())))


async def enqueue_notifications(
    session: AsyncSession, kind: NotificationKind, told: Sequence[tuple[PersonId, Mapping[str, Any]]], *, at: datetime
) -> None:
    """Insert notifications of one kind in two statements: a person with its facts for each.

    Nothing is inserted for an organisation.
    """
    if not told:
        return
    named = literal(sorted({person_id for person_id, _ in told}), ARRAY(Uuid()))
    people = {*await session.scalars(select(_PERSON.c.id).where(_PERSON.c.id == any_(named)))}
    rows = [_build_row(person_id, kind, facts, at) for person_id, facts in told if person_id in people]
    if rows:
        await session.execute(insert(_NOTIFICATION), rows)


def _build_row(
    person_id: PersonId | None, kind: NotificationKind, facts: Mapping[str, Any], at: datetime
) -> dict[str, Any]:
    row: dict[str, Any] = {"id": uuid7(), "person_id": person_id, "kind": kind, "facts": dict(facts), "created_at": at}
    return row | {"next_try_at": at, "tries": 0}
