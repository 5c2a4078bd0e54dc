"""Limit of failed tries of codes: five an hour for each person.

All kinds of codes count together. The count is in the database, so every worker sees it. A refusal commits, so that its
try stays counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.tables import CodeTry
from machtiging.kernel.errors import Message, TooMany
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.storage.columns import table_of

MAX_FAILED_TRIES = 5
FAILED_TRY_WINDOW = timedelta(hours=1)
_TRY_TABLE = table_of(CodeTry)


@dataclass(frozen=True, slots=True)
class RecentFailures:
    """The number of a person's failures in the last hour, and its reset time.

    `resets_at` is the moment when the oldest of these no longer counts.
    """

    count: int
    resets_at: datetime


async def require_tries_left(
    session: AsyncSession, person_id: PersonId, *, at: datetime, message: str | None = None
) -> RecentFailures:
    """Require that this person may try a code. Serialises the tries of one person until the transaction ends.

    `message`: the key of another sentence. Raises TooMany `te_vaak_geprobeerd`.
    """
    # Parallel guesses must not all read the same count.
    key = func.hashtextextended(f"machtigingscode:{person_id}", 0)
    await session.execute(select(func.pg_advisory_xact_lock(key)))
    failures = await count_recent_failures(session, person_id, at=at)
    if failures.count >= MAX_FAILED_TRIES:
        wait = int((failures.resets_at - at).total_seconds()) + 1
        params = {"advice": _retry_message(failures, at)}
        raise TooMany("te_vaak_geprobeerd", message=message, params=params, retry_after=wait)
    return failures


async def count_recent_failures(session: AsyncSession, person_id: PersonId, *, at: datetime) -> RecentFailures:
    """Count the failures of this person in the last hour."""
    mine = (_TRY_TABLE.c.person_id == person_id, _TRY_TABLE.c.tried_at > at - FAILED_TRY_WINDOW)
    failed, first = (await session.execute(select(func.count(), func.min(_TRY_TABLE.c.tried_at)).where(*mine))).one()
    return RecentFailures(failed, (first or at) + FAILED_TRY_WINDOW)


async def count_failed_try(
    session: AsyncSession, person_id: PersonId, failures: RecentFailures, *, at: datetime
) -> Message:
    """Count a failed try, and return the advice: tries left, or when to try again."""
    earlier = (_TRY_TABLE.c.person_id == person_id, _TRY_TABLE.c.tried_at <= at - FAILED_TRY_WINDOW)
    await session.execute(delete(_TRY_TABLE).where(*earlier))
    await session.execute(insert(_TRY_TABLE).values(id=uuid7(), person_id=person_id, tried_at=at))
    tries_left = MAX_FAILED_TRIES - failures.count - 1
    return Message("code_tries_left", {"n": tries_left}) if tries_left > 0 else _retry_message(failures, at)


def _retry_message(failures: RecentFailures, at: datetime) -> Message:
    return Message("code_try_again_later", {"n": ceil((failures.resets_at - at).total_seconds() / 60)})
