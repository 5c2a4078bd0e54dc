"""Tell clients that nobody reads their post, when the date of their hand-over has passed. A loop of the worker.

One client in one transaction: the pause, the journal lines, the notification in the outbox and the mark that it was
told. So a worker that is killed tells nobody twice and forgets nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.audit.state_facts import state_facts
from machtiging.delegation.assignments.clients import has_reader
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import Channel, MachtigingAction, MachtigingState, resolve_transition
from machtiging.delegation.state_lines import describe_authentic_states
from machtiging.delegation.tables import SEALED_HANDOVER_ITEM, SEALED_MACHTIGING, Handover, HandoverItem
from machtiging.delegation.transition import apply_transition, lock_machtiging, notification_facts
from machtiging.delegation.waiting_clients.items import SealedRow, close_item, lock_waiting_item, mark_client_notified
from machtiging.delegation.waiting_clients.locks import lock_readers_shared
from machtiging.delegation.waiting_clients.rules import ItemState
from machtiging.kernel.clock import Clock
from machtiging.kernel.errors import Conflict
from machtiging.kernel.ids import MachtigingId
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notification
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import verify_row
from machtiging.storage.unit_of_work import unit_of_work

_HANDOVER, _ITEM = table_of(Handover), table_of(HandoverItem)
_BATCH_SIZE = 100
_NO_READER, _HAS_READER, _OVER = "geen_lezer", "heeft_lezer", "machtiging_voorbij"


@dataclass(frozen=True, slots=True)
class _DueItem:
    """A client who waits after the date, in the hand-over of an organisation."""

    organisation_id: UUID
    machtiging_id: MachtigingId


async def tell_due_clients(sessions: async_sessionmaker[AsyncSession], clock: Clock) -> int:
    """Tell every client whose date has passed; return the number of settled items.

    Several workers may run it: an item that another one holds is left to that one. Raises Fault
    `opslag_niet_bereikbaar`.
    """
    total, after = 0, UUID(int=0)
    while True:
        at = clock.now()
        due = await _list_due(sessions, after, at)
        for item in due:
            async with unit_of_work(sessions) as session:
                total += await _settle(session, item, at=at)
        if len(due) < _BATCH_SIZE:
            return total
        after = due[-1].machtiging_id


async def _list_due(sessions: async_sessionmaker[AsyncSession], after: UUID, at: datetime) -> list[_DueItem]:
    waiting = (_ITEM.c.state == ItemState.WAITING.value, _ITEM.c.told_at.is_(None), _ITEM.c.due_at <= at)
    joined = _ITEM.join(_HANDOVER, _HANDOVER.c.id == _ITEM.c.handover_id)
    query = select(_HANDOVER.c.organisation_id, _ITEM.c.machtiging_id).select_from(joined)
    paged = query.where(*waiting, _ITEM.c.machtiging_id > after).order_by(_ITEM.c.machtiging_id).limit(_BATCH_SIZE)
    async with unit_of_work(sessions) as session:
        rows = (await session.execute(paged)).all()
    return [_DueItem(row.organisation_id, MachtigingId(row.machtiging_id)) for row in rows]


async def _settle(session: AsyncSession, due: _DueItem, *, at: datetime) -> bool:
    """Tell the client, or drop an item that is not needed any more. False if there is nothing to do.

    A forged item or machtiging is left as it is: the row check reports it.
    """
    await lock_readers_shared(session, due.organisation_id)
    item = await lock_waiting_item(session, due.machtiging_id, skip_locked=True)
    if item is None or item.told_at is not None or item.due_at > at:
        return False
    await lock_machtiging(session, due.machtiging_id)
    authority = await load_authority(session, due.machtiging_id, at=at)
    if authority is None or not authority.is_authentic or not verify_row(session, SEALED_HANDOVER_ITEM, item):
        return False
    if authority.has_ended or authority.root.period.ends_at <= at:
        await _drop(session, authority, item, _OVER, at=at)
    elif await has_reader(session, due.organisation_id, due.machtiging_id, at=at):
        await _drop(session, authority, item, _HAS_READER, at=at)
    else:
        await _tell(session, authority, item, at=at)
    return True


async def _drop(session: AsyncSession, authority: Authority, item: Row[Any], reason: str, *, at: datetime) -> None:
    closed = await close_item(session, item, at=at)
    await _record_item(session, JournalAct.OVERDRACHT_VERVALLEN, reason, authority, closed, at=at)


async def _tell(session: AsyncSession, authority: Authority, item: Row[Any], *, at: datetime) -> None:
    """Pause the machtiging if it can be paused, and tell the citizen."""
    await _pause(session, authority, at=at)
    notified = await mark_client_notified(session, item, at=at)
    await _record_item(session, JournalAct.OVERDRACHT_GEMELD, _NO_READER, authority, notified, at=at)
    after = await load_authority(session, authority.machtiging_id, at=at) or authority
    paused = after.root.state is MachtigingState.PAUSED
    kind = NotificationKind.NIEMAND_LEEST_GEPAUZEERD if paused else NotificationKind.NIEMAND_LEEST
    facts = notification_facts(authority.root, None)
    if authority.organisation is not None:
        facts["organisation"] = authority.organisation.name
    await enqueue_notification(session, authority.vertegenwoordigde_id, kind, facts, at=at)


async def _pause(session: AsyncSession, authority: Authority, *, at: datetime) -> None:
    """Pause an active machtiging. Not one of a register, nor one in an emergency stop."""
    if authority.root.channel is Channel.REGISTER:
        return
    try:
        transition = resolve_transition(authority.root, MachtigingAction.PAUSE, at)
    except Conflict:
        return
    paused = await apply_transition(session, authority.root, transition, {}, at=at)
    if paused is None:  # impossible while the row is locked
        return
    rows = [(SEALED_MACHTIGING, paused.row)]
    facts = await describe_authentic_states(session, authority.vertegenwoordigde_id, rows)
    line = _build_line(JournalAct.MACHTIGING_GEPAUZEERD, _NO_READER, authority)
    await record(session, replace(line, facts=facts), at=at)


async def _record_item(
    session: AsyncSession, act: JournalAct, reason: str, authority: Authority, row: SealedRow, *, at: datetime
) -> None:
    line = _build_line(act, reason, authority)
    named = replace(line, object_kind="overdracht", object_id=str(row[1]["handover_id"]))
    await record(session, replace(named, facts=state_facts([row])), at=at)


def _build_line(act: JournalAct, reason: str, authority: Authority) -> NewJournalLine:
    """Build a line without an actor: the service acts by itself."""
    return NewJournalLine(
        act=act,
        outcome=JournalOutcome.DONE,
        reason=reason,
        for_person_id=authority.vertegenwoordigde_id,
        machtiging_id=authority.machtiging_id,
        on_behalf_of=authority.organisation_id,
    )
