"""Notices for the citizen: questions that wait, e-mails that did not arrive."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.renewals.queries import select_question_count
from machtiging.kernel.ids import PersonId
from machtiging.notifications.delivery_failures import select_unread_undelivered_count
from machtiging.oauth.ciba.queries import select_pending_count


class WaitingNotices(NamedTuple):
    """The numbers of questions that wait, e-mails that did not arrive, and questions to renew."""

    questions: int
    unmailed: int
    renewals: int


async def load_waiting_notices(session: AsyncSession, person_id: PersonId, *, at: datetime) -> WaitingNotices:
    """Count all in one statement."""
    questions = select_pending_count(person_id, at).scalar_subquery()
    unmailed = select_unread_undelivered_count(person_id, at=at).scalar_subquery()
    renewals = select_question_count(person_id, at).scalar_subquery()
    return WaitingNotices(*(await session.execute(select(questions, unmailed, renewals))).one())
