"""Notices for the citizen: a question that waits, e-mails that did not arrive."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.kernel.ids import PersonId
from machtiging.notifications.delivery_failures import select_unread_undelivered_count
from machtiging.oauth.ciba.queries import select_pending_count


class WaitingNotices(NamedTuple):
    """The number of questions that wait, and of e-mails that did not arrive."""

    questions: int
    unmailed: int


async def load_waiting_notices(session: AsyncSession, person_id: PersonId, *, at: datetime) -> WaitingNotices:
    """Count both in one statement."""
    questions = select_pending_count(person_id, at).scalar_subquery()
    unmailed = select_unread_undelivered_count(person_id, at=at).scalar_subquery()
    return WaitingNotices(*(await session.execute(select(questions, unmailed))).one())
