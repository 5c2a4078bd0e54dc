"""Notifications that could not be delivered: shown to the person and the operator, and retried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.kernel.ids import PersonId
from machtiging.notifications.tables import Notification
from machtiging.storage.columns import table_of

_TABLE = table_of(Notification)
# Older notifications are not useful: the overview of machtigingen shows the current state.
VISIBLE_PERIOD = timedelta(days=90)
RETRY_PERIOD = timedelta(days=30)
_PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class UndeliveredNotification:
    """An undelivered notification. `reason`: the code of the last failure, without an address."""

    kind: str
    facts: Mapping[str, Any]
    created_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class UndeliveredCount:
    """The number of undelivered notifications for one reason."""

    reason: str
    notifications: int
    people: int
    last_given_up_at: datetime


def _is_undelivered_since(person_id: PersonId, since: datetime) -> ColumnElement[bool]:
    return and_(_TABLE.c.person_id == person_id, _TABLE.c.given_up_at.is_not(None), _TABLE.c.created_at >= since)


async def load_undelivered(
    session: AsyncSession, person_id: PersonId, *, at: datetime
) -> list[UndeliveredNotification]:
    """Load the person's undelivered notifications of the last 90 days, newest first, at most 50."""
    mine = select(_TABLE).where(_is_undelivered_since(person_id, at - VISIBLE_PERIOD))
    rows = await session.execute(mine.order_by(_TABLE.c.created_at.desc(), _TABLE.c.id.desc()).limit(_PAGE_SIZE))
    return [UndeliveredNotification(row.kind, row.facts, row.created_at, row.last_error or "") for row in rows]


def select_unread_undelivered_count(person_id: PersonId, *, at: datetime) -> Select[Any]:
    """Select the number for `count_unread_undelivered`."""
    unseen = and_(_is_undelivered_since(person_id, at - VISIBLE_PERIOD), _TABLE.c.seen_at.is_(None))
    return select(func.count()).select_from(_TABLE).where(unseen)


async def count_unread_undelivered(session: AsyncSession, person_id: PersonId, *, at: datetime) -> int:
    """Count the undelivered notifications of the last 90 days that the person has not confirmed."""
    return await session.scalar(select_unread_undelivered_count(person_id, at=at)) or 0


async def mark_undelivered_read(session: AsyncSession, person_id: PersonId, *, at: datetime) -> None:
    """Record that the person has read the displayed undelivered notifications."""
    unseen = and_(_is_undelivered_since(person_id, at - VISIBLE_PERIOD), _TABLE.c.seen_at.is_(None))
    await session.execute(update(_TABLE).where(unseen).values(seen_at=at))


async def retry_undelivered(session: AsyncSession, person_id: PersonId, *, at: datetime) -> int:
    """Put the undelivered notifications of the last 30 days back in the outbox. Returns their number.

    For a person with a new address. Notifications that were read on the portal are not sent again.
    """
    again = and_(_is_undelivered_since(person_id, at - RETRY_PERIOD), _TABLE.c.seen_at.is_(None))
    values = {"given_up_at": None, "tries": 0, "next_try_at": at, "last_error": None}
    updated = await session.execute(update(_TABLE).where(again).values(values).returning(_TABLE.c.id))
    return len(updated.all())


async def count_undelivered(session: AsyncSession, *, since: datetime) -> list[UndeliveredCount]:
    """Count the undelivered notifications of all people since an instant, by reason, highest first."""
    number = func.count().label("notifications")
    by_reason = (
        select(
            func.coalesce(_TABLE.c.last_error, "").label("reason"),
            number,
            func.count(_TABLE.c.person_id.distinct()).label("people"),
            func.max(_TABLE.c.given_up_at).label("last_given_up_at"),
        )
        .where(_TABLE.c.given_up_at >= since)
        .group_by(_TABLE.c.last_error)
        .order_by(number.desc())
    )
    return [UndeliveredCount(**row) for row in (await session.execute(by_reason)).mappings()]
