"""Notifications that could not be mailed and were given up: shown to the person and the operator, and tried again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.kernel.ids import PersonId
from machtiging.notifications.tables import Notification

_TABLE: Table = Notification.__table__  # type: ignore[attr-defined]
# Longer ago, the news is old: the overview of machtigingen tells how things stand.
SHOWN_FOR = timedelta(days=90)
RETRIED_FOR = timedelta(days=30)
_PAGE = 50


@dataclass(frozen=True, slots=True)
class UndeliveredNotification:
    """One notification that was given up. `reason`: the code of the last failure, which holds no address."""

    kind: str
    facts: Mapping[str, Any]
    created_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class UndeliveredCount:
    """The number of notifications given up for one reason."""

    reason: str
    notifications: int
    people: int
    last_given_up_at: datetime


def _undelivered_since(person_id: PersonId, since: datetime) -> ColumnElement[bool]:
    return and_(_TABLE.c.person_id == person_id, _TABLE.c.given_up_at.is_not(None), _TABLE.c.created_at >= since)


async def load_undelivered(
    session: AsyncSession, person_id: PersonId, *, at: datetime
) -> list[UndeliveredNotification]:
    """The person's undelivered notifications of the last 90 days, newest first, at most 50."""
    mine = select(_TABLE).where(_undelivered_since(person_id, at - SHOWN_FOR))
    rows = await session.execute(mine.order_by(_TABLE.c.created_at.desc(), _TABLE.c.id.desc()).limit(_PAGE))
    return [UndeliveredNotification(row.kind, row.facts, row.created_at, row.last_error or "") for row in rows]


async def count_unseen_undelivered(session: AsyncSession, person_id: PersonId, *, at: datetime) -> int:
    """The number of undelivered notifications of the last 90 days that the person has not confirmed as read."""
    unseen = and_(_undelivered_since(person_id, at - SHOWN_FOR), _TABLE.c.seen_at.is_(None))
    return await session.scalar(select(func.count()).select_from(_TABLE).where(unseen)) or 0


async def mark_undelivered_seen(session: AsyncSession, person_id: PersonId, *, at: datetime) -> None:
    """Record that the person has read the undelivered notifications that are shown."""
    unseen = and_(_undelivered_since(person_id, at - SHOWN_FOR), _TABLE.c.seen_at.is_(None))
    await session.execute(update(_TABLE).where(unseen).values(seen_at=at))


async def retry_undelivered(session: AsyncSession, person_id: PersonId, *, at: datetime) -> int:
    """Put the undelivered notifications of the last 30 days in the outbox again; return their number.

    For a person whose address has changed. What she has read on the page is not mailed any more.
    """
    again = and_(_undelivered_since(person_id, at - RETRIED_FOR), _TABLE.c.seen_at.is_(None))
    values = {"given_up_at": None, "tries": 0, "next_try_at": at, "last_error": None}
    done = await session.execute(update(_TABLE).where(again).values(values).returning(_TABLE.c.id))
    return len(done.all())


async def count_undelivered(session: AsyncSession, *, since: datetime) -> list[UndeliveredCount]:
    """Undelivered notifications of everybody since an instant, by reason, the most frequent first."""
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
