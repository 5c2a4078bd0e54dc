"""Limit of failed tries of verification codes.

Five an hour for an employee, twenty for a client of an agency.

The count is in the database, so every worker sees it. A refusal commits, so that its try stays counted.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from typing import NamedTuple

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.kernel.errors import Message, TooMany
from machtiging.kernel.ids import uuid7
from machtiging.storage.columns import table_of
from machtiging.verification.codes.rules import CodeAsker
from machtiging.verification.codes.tables import VerificationCodeTry

MAX_TRIES_OF_EMPLOYEE, MAX_TRIES_OF_CLIENT = 5, 20
TRY_WINDOW = timedelta(hours=1)
_TRY = table_of(VerificationCodeTry)


class FailedTries(NamedTuple):
    """The failed tries of an asker in the last hour.

    `resets_at`: the moment when the oldest no longer counts.
    """

    failures: int
    limit: int
    resets_at: datetime

    def advise(self, at: datetime, more: int = 0) -> Message:
        """Return the advice after so many more failures: tries left, or when to try again."""
        tries_left = self.limit - self.failures - more
        if tries_left > 0:
            return Message("code_tries_left", {"n": tries_left})
        return Message("code_try_again_later", {"n": max(1, ceil((self.resets_at - at).total_seconds() / 60))})


async def load_failed_tries(session: AsyncSession, asker: CodeAsker, *, at: datetime) -> FailedTries:
    """Count the failed tries of this asker in the last hour."""
    recent = (_TRY.c.asker == asker.key, _TRY.c.tried_at > at - TRY_WINDOW)
    count, first = (await session.execute(select(func.count(), func.min(_TRY.c.tried_at)).where(*recent))).one()
    limit = MAX_TRIES_OF_CLIENT if asker.person_id is None else MAX_TRIES_OF_EMPLOYEE
    return FailedTries(count, limit, (first or at) + TRY_WINDOW)


async def require_tries_left(session: AsyncSession, asker: CodeAsker, *, at: datetime) -> FailedTries:
    """Require that this asker may try a code. Serialises the tries of one asker until the transaction ends.

    Raises TooMany `te_vaak_geprobeerd`.
    """
    # Parallel guesses must not all read the same count.
    key = func.hashtextextended(f"controlecode:{asker.key}", 0)
    await session.execute(select(func.pg_advisory_xact_lock(key)))
    failed = await load_failed_tries(session, asker, at=at)
    if failed.failures >= failed.limit:
        wait = int((failed.resets_at - at).total_seconds()) + 1
        params = {"advice": failed.advise(at)}
        raise TooMany("te_vaak_geprobeerd", message="te_vaak_geprobeerd.check", params=params, retry_after=wait)
    return failed


async def count_failed_try(session: AsyncSession, asker: CodeAsker, *, at: datetime) -> None:
    """Count a failed try, and delete the tries of this asker that no longer count."""
    await session.execute(delete(_TRY).where(_TRY.c.asker == asker.key, _TRY.c.tried_at <= at - TRY_WINDOW))
    await session.execute(insert(_TRY).values(id=uuid7(), asker=asker.key, tried_at=at))
