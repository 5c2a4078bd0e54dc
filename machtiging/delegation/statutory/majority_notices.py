"""Notices to a child three months and a week before its eighteenth birthday (BW 1:233).

Each is sent once. The end itself needs no job: it is the end of the period, which every access reads.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.queries import is_current_agreement, machtiging_table
from machtiging.delegation.rules import MachtigingState
from machtiging.delegation.statutory.rules import MAJORITY_AGE, majority_at
from machtiging.delegation.tables import AgreementRow, MajorityNotice
from machtiging.kernel.clock import add_years, to_dutch_date
from machtiging.kernel.ids import PersonId
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notification
from machtiging.storage.columns import table_of

_MACHTIGING, _AGREEMENT, _NOTICE = machtiging_table(), table_of(AgreementRow), table_of(MajorityNotice)
_BATCH_SIZE = 100


class _DueNotice(NamedTuple):
    """A notice and the number of days before the birthday from which it is due."""

    kind: NotificationKind
    days: int


# The last one first: who is told a week before is not told the other one too.
_NOTICES = (
    _DueNotice(NotificationKind.ACHTTIEN_OVER_EEN_WEEK, 7),
    _DueNotice(NotificationKind.ACHTTIEN_OVER_DRIE_MAANDEN, 91),
)


async def send_majority_notices(session: AsyncSession, *, at: datetime) -> int:
    """Enqueue what is due, at most a batch, and return the number. Two workers at once send each notice once."""
    sent = 0
    until = at
    for notice in _NOTICES:
        before = at + timedelta(days=notice.days)
        for child_id in await _find_children(session, notice, until, before, at):
            claim = insert(_NOTICE).values(person_id=child_id, kind=notice.kind.value, sent_at=at)
            claimed = claim.on_conflict_do_nothing().returning(_NOTICE.c.person_id)
            if await session.scalar(claimed) is not None:
                await enqueue_notification(session, PersonId(child_id), notice.kind, {}, at=at)
                sent += 1
        until = before
    return sent


async def _find_children(
    session: AsyncSession, notice: _DueNotice, after: datetime, until: datetime, at: datetime
) -> list[PersonId]:
    """Find children with a birthday in this time who did not get this notice."""
    earliest, latest = (add_years(to_dutch_date(each), -MAJORITY_AGE) for each in (after, until))
    already_sent = select(_NOTICE.c.person_id).where(
        _NOTICE.c.person_id == _MACHTIGING.c.vertegenwoordigde_id, _NOTICE.c.kind == notice.kind.value
    )
    hers = select(_MACHTIGING.c.vertegenwoordigde_id, _AGREEMENT.c.represented_born_on).distinct()
    found = hers.select_from(_MACHTIGING.join(_AGREEMENT, is_current_agreement(_MACHTIGING, _AGREEMENT))).where(
        _AGREEMENT.c.represented_born_on.is_not(None),
        _AGREEMENT.c.represented_born_on > earliest,
        _AGREEMENT.c.represented_born_on <= latest,
        _MACHTIGING.c.state == MachtigingState.ACTIVE.value,
        _AGREEMENT.c.ends_at > at,
        ~already_sent.exists(),
    )
    rows = (await session.execute(found.limit(_BATCH_SIZE))).all()
    return [row.vertegenwoordigde_id for row in rows if after < majority_at(row.represented_born_on) <= until]
