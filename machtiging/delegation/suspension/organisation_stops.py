"""Tell citizens that their organisation may not help, and end it after thirty days.

Two loops of the worker. Nobody reads from the decision on: every access checks the recognition. What a register gave
stays, since only a court ends it. One machtiging in one transaction, so a worker that is killed tells nobody twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.queries import is_current_agreement, machtiging_table
from machtiging.delegation.rules import (
    Channel,
    EndReason,
    MachtigingRole,
    MachtigingState,
    MachtigingTransition,
)
from machtiging.delegation.state_lines import describe_authentic_states
from machtiging.delegation.tables import SEALED_MACHTIGING, AgreementRow, OrganisationStopNotice
from machtiging.delegation.transition import apply_transition, lock_machtiging, notification_facts
from machtiging.kernel.clock import Clock, last_day_before
from machtiging.kernel.ids import MachtigingId
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notification
from machtiging.organisations.queries import ORGANISATION, RECOGNITION
from machtiging.organisations.rules import RecognitionStatus
from machtiging.storage.columns import table_of
from machtiging.storage.unit_of_work import unit_of_work

# How long the citizen can wait for the organisation, or choose another one.
WAITING_TIME = timedelta(days=30)
_BATCH_SIZE = 100
_STOPPED = (RecognitionStatus.SUSPENDED.value, RecognitionStatus.WITHDRAWN.value)
_OPEN = (MachtigingState.ACTIVE.value, MachtigingState.PAUSED.value)
_MACHTIGING, _AGREEMENT = machtiging_table(), table_of(AgreementRow)
_NOTICE = table_of(OrganisationStopNotice)
_ENDING = MachtigingTransition(MachtigingRole.SERVICE, MachtigingState.ENDED, EndReason.ORGANISATION)


class _StoppedMachtiging(NamedTuple):
    """A machtiging whose organisation lost its recognition by this decision."""

    machtiging_id: MachtigingId
    organisation_id: UUID
    recognition_number: int
    stopped_at: datetime


_Settle = Callable[[AsyncSession, _StoppedMachtiging, datetime], Awaitable[bool]]


async def tell_clients_of_stopped(sessions: async_sessionmaker[AsyncSession], clock: Clock) -> int:
    """Tell each citizen once of each decision, and return the number. Several workers may run it."""
    at = clock.now()
    was_told = and_(_NOTICE.c.machtiging_id == _MACHTIGING.c.id, _NOTICE.c.recognition_number == RECOGNITION.c.number)
    untold = ~select(_NOTICE.c.machtiging_id).where(was_told).exists()
    return await _settle_all(sessions, untold, _tell, at)


async def end_machtigingen_of_stopped(sessions: async_sessionmaker[AsyncSession], clock: Clock) -> int:
    """End what stands thirty days after the decision, and return the number. Several workers may run it."""
    at = clock.now()
    return await _settle_all(sessions, RECOGNITION.c.confirmed_at <= at - WAITING_TIME, _end, at)


async def _settle_all(
    sessions: async_sessionmaker[AsyncSession], condition: ColumnElement[bool], settle: _Settle, at: datetime
) -> int:
    """Settle page by page, each machtiging in one transaction. One that is left as it is holds up no other."""
    total, after = 0, UUID(int=0)
    while True:
        page = await _list_stopped(sessions, and_(condition, _MACHTIGING.c.id > after), at)
        for stopped in page:
            async with unit_of_work(sessions) as session:
                total += await settle(session, stopped, at)
        if len(page) < _BATCH_SIZE:
            return total
        after = page[-1].machtiging_id


async def _list_stopped(
    sessions: async_sessionmaker[AsyncSession], condition: ColumnElement[bool], at: datetime
) -> list[_StoppedMachtiging]:
    async with unit_of_work(sessions) as session:
        rows = (await session.execute(_select_stopped(condition, at).limit(_BATCH_SIZE))).all()
    return [_StoppedMachtiging(MachtigingId(row.id), row.gemachtigde_id, row.number, row.confirmed_at) for row in rows]


def _select_stopped(condition: ColumnElement[bool], at: datetime) -> Select[Any]:
    """Build the select of open machtigingen of organisations that may not help now."""
    joined = (
        ORGANISATION.join(
            RECOGNITION,
            and_(
                RECOGNITION.c.organisation_id == ORGANISATION.c.id,
                RECOGNITION.c.number == ORGANISATION.c.recognition_number,
            ),
        )
        .join(_MACHTIGING, _MACHTIGING.c.gemachtigde_id == ORGANISATION.c.id)
        .join(_AGREEMENT, is_current_agreement(_MACHTIGING, _AGREEMENT))
    )
    chosen = (_MACHTIGING.c.id, _MACHTIGING.c.gemachtigde_id, RECOGNITION.c.number, RECOGNITION.c.confirmed_at)
    open_ones = (
        RECOGNITION.c.status.in_(_STOPPED),
        _MACHTIGING.c.parent_id.is_(None),
        _MACHTIGING.c.state.in_(_OPEN),
        _AGREEMENT.c.ends_at > at,
        _AGREEMENT.c.channel != Channel.REGISTER.value,
    )
    return select(*chosen).select_from(joined).where(*open_ones, condition).order_by(_MACHTIGING.c.id)


async def _tell(session: AsyncSession, stopped: _StoppedMachtiging, at: datetime) -> bool:
    authority = await _load_stopped(session, stopped, at)
    if authority is None or authority.organisation is None:
        return False
    claim = insert(_NOTICE).values(
        machtiging_id=stopped.machtiging_id, recognition_number=stopped.recognition_number, told_at=at
    )
    claimed = claim.on_conflict_do_nothing().returning(_NOTICE.c.machtiging_id)
    if await session.scalar(claimed) is None:
        return False
    ends_at = min(stopped.stopped_at + WAITING_TIME, authority.root.period.ends_at)
    facts = notification_facts(authority.root, None) | {
        "organisation": authority.organisation.name,
        "ends_on": last_day_before(ends_at).isoformat(),
    }
    giver_id = authority.vertegenwoordigde_id
    await enqueue_notification(session, giver_id, NotificationKind.ORGANISATIE_GESTOPT, facts, at=at)
    reason = authority.organisation.recognition
    await _journal(session, JournalAct.MACHTIGING_ORGANISATIE_GESTOPT, authority, str(reason), {}, at)
    return True


async def _end(session: AsyncSession, stopped: _StoppedMachtiging, at: datetime) -> bool:
    await lock_machtiging(session, stopped.machtiging_id)
    authority = await _load_stopped(session, stopped, at)
    if authority is None or authority.root.state is MachtigingState.ENDED:
        return False
    result = await apply_transition(session, authority.root, _ENDING, {}, at=at)
    if result is None:  # impossible while the row is locked
        return False
    giver_id = authority.vertegenwoordigde_id
    facts = await describe_authentic_states(session, giver_id, [(SEALED_MACHTIGING, result.row)])
    await _journal(session, JournalAct.MACHTIGING_VERVALLEN, authority, EndReason.ORGANISATION.value, facts, at)
    notice_facts = notification_facts(authority.root, None)
    await enqueue_notification(session, giver_id, NotificationKind.VERVALLEN_ORGANISATIE, notice_facts, at=at)
    return True


async def _load_stopped(session: AsyncSession, stopped: _StoppedMachtiging, at: datetime) -> Authority | None:
    """Load the authority; None for a forged row or an organisation recognised again."""
    authority = await load_authority(session, stopped.machtiging_id, at=at)
    if authority is None or not authority.is_authentic or authority.organisation is None:
        return None
    return authority if authority.organisation.recognition in _STOPPED else None


async def _journal(
    session: AsyncSession, act: JournalAct, authority: Authority, reason: str, facts: dict[str, Any], at: datetime
) -> None:
    """Record a line without an actor: the service acts by itself."""
    line = NewJournalLine(
        act=act,
        outcome=JournalOutcome.DONE,
        reason=reason,
        for_person_id=authority.vertegenwoordigde_id,
        machtiging_id=authority.machtiging_id,
        on_behalf_of=authority.organisation_id,
        facts=facts,
    )
    await record(session, line, at=at)
