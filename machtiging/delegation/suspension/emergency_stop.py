"""The emergency stop: nobody else reads the post of a citizen until she lifts it.

Every machtiging that she gave says so under its own MAC, so every door refuses at the next request. What a register
or a court gave stays: neither party can end that. While it is on, she makes no machtiging and nobody accepts one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.audit.state_facts import state_facts
from machtiging.delegation.authority.holders import load_holders
from machtiging.delegation.authority.queries import load_authorities
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.locks import lock_giver, lock_giver_shared
from machtiging.delegation.queries import machtiging_table
from machtiging.delegation.rules import EMERGENCY_STOP, Capacity, MachtigingState
from machtiging.delegation.state_lines import describe_authentic_states
from machtiging.delegation.tables import SEALED_EMERGENCY_STOP, SEALED_MACHTIGING, EmergencyStopRow
from machtiging.delegation.transition import lock_machtiging, notification_facts
from machtiging.kernel.errors import Conflict
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notification
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import reseal_changes, seal_row

_STOP, _MACHTIGING = table_of(EmergencyStopRow), machtiging_table()


class EmergencyStop(NamedTuple):
    """The stop that is on, and the machtigingen that this act changed."""

    started_at: datetime
    changed_ids: tuple[MachtigingId, ...] = ()


class _StopAct(NamedTuple):
    """Start or end of a stop: its journal act, its notices and the new value."""

    act: JournalAct
    stopped_at: datetime | None
    to_giver: NotificationKind
    to_helper: NotificationKind


async def start_emergency_stop(session: AsyncSession, person_id: PersonId, *, at: datetime) -> EmergencyStop:
    """Stop all reading by others of this person's post. Repeating it changes nothing."""
    await lock_giver(session, person_id)
    if (started_at := await find_emergency_stop(session, person_id)) is not None:
        return EmergencyStop(started_at)
    row = seal_row(session, SEALED_EMERGENCY_STOP, {"person_id": person_id, "started_at": at, "lifted_at": None})
    upsert = insert(_STOP).values(row).on_conflict_do_update(index_elements=[_STOP.c.person_id], set_=row)
    started = (await session.execute(upsert.returning(_STOP))).mappings().one()
    on = _StopAct(
        JournalAct.NOODSTOP_AANGEZET, at, NotificationKind.NOODSTOP_DOOR_U, NotificationKind.NOODSTOP_AANGEZET
    )
    return EmergencyStop(at, await _change_all(session, person_id, on, started, at))


async def lift_emergency_stop(session: AsyncSession, person_id: PersonId, *, at: datetime) -> EmergencyStop | None:
    """Lift the stop of this person: what stood before it stands again. None if there is none."""
    await lock_giver(session, person_id)
    started_at = await find_emergency_stop(session, person_id)
    if started_at is None:
        return None
    mine = _STOP.c.person_id == person_id
    row = (await session.execute(select(_STOP).where(mine).with_for_update())).one()
    changes = reseal_changes(session, SEALED_EMERGENCY_STOP, row, {"lifted_at": at})
    lifted = (await session.execute(update(_STOP).where(mine).values(changes).returning(_STOP))).mappings().one()
    off = _StopAct(
        JournalAct.NOODSTOP_OPGEHEVEN,
        None,
        NotificationKind.NOODSTOP_OPGEHEVEN_DOOR_U,
        NotificationKind.NOODSTOP_OPGEHEVEN,
    )
    return EmergencyStop(started_at, await _change_all(session, person_id, off, lifted, at))


async def find_emergency_stop(session: AsyncSession, person_id: PersonId) -> datetime | None:
    """Return since when this person's stop is on; None if it is off. A row that was tampered with counts."""
    found = select(_STOP.c.started_at).where(_STOP.c.person_id == person_id, _STOP.c.lifted_at.is_(None))
    started_at: datetime | None = await session.scalar(found)
    return started_at


async def require_no_emergency_stop(session: AsyncSession, person_id: PersonId) -> None:
    """Require that no stop is on, until the transaction ends. Raises Conflict `noodstop`."""
    await lock_giver_shared(session, person_id)
    if await find_emergency_stop(session, person_id) is not None:
        raise Conflict(EMERGENCY_STOP)


async def list_machtigingen_to_end(session: AsyncSession, person_id: PersonId) -> list[MachtigingId]:
    """List what this person gave and can end herself, in the order of the locks."""
    return await _list_given_ids(session, person_id)


async def _list_given_ids(
    session: AsyncSession, person_id: PersonId, *conditions: ColumnElement[bool]
) -> list[MachtigingId]:
    """List the open machtigingen of this person, offers too; not those of a register."""
    hers = (_MACHTIGING.c.vertegenwoordigde_id == person_id, _MACHTIGING.c.parent_id.is_(None))
    open_ones = select(_MACHTIGING.c.id).where(*hers, _MACHTIGING.c.state != MachtigingState.ENDED.value, *conditions)
    found = await load_authorities(session, _MACHTIGING.c.id.in_(open_ones))
    return sorted(one.machtiging_id for one in found if not one.root.is_from_register)


async def _change_all(
    session: AsyncSession, person_id: PersonId, act: _StopAct, stop_row: Mapping[str, Any], at: datetime
) -> tuple[MachtigingId, ...]:
    """Write the stop into every machtiging, each with its journal line and notices."""
    line = _build_line(act, person_id, None)
    await record(session, replace(line, facts=state_facts([(SEALED_EMERGENCY_STOP, stop_row)])), at=at)
    await enqueue_notification(session, person_id, act.to_giver, {}, at=at)
    other = _MACHTIGING.c.stopped_at.is_distinct_from(act.stopped_at)
    ids = await _list_given_ids(session, person_id, other)
    for machtiging_id in ids:  # in order of id: two transactions cannot deadlock
        await lock_machtiging(session, machtiging_id)
    authorities = await load_authorities(session, _MACHTIGING.c.id.in_(ids), at=at)
    holders = await load_holders(session, authorities, at=at)
    for authority in sorted(authorities, key=lambda one: one.machtiging_id):
        if await _change_one(session, authority, act, at):
            await _notify_holders(session, authority, holders[authority.machtiging_id], act, at)
    return tuple(ids)


async def _change_one(session: AsyncSession, authority: Authority, act: _StopAct, at: datetime) -> bool:
    """Change one machtiging and journal its new state. False if it ended meanwhile."""
    mine = (_MACHTIGING.c.id == authority.machtiging_id, _MACHTIGING.c.state != MachtigingState.ENDED.value)
    row = (await session.execute(select(_MACHTIGING).where(*mine).with_for_update(key_share=True))).one_or_none()
    if row is None:
        return False
    changes = reseal_changes(session, SEALED_MACHTIGING, row, {"stopped_at": act.stopped_at})
    changed = update(_MACHTIGING).where(*mine).values(changes).returning(_MACHTIGING)
    rows = [(SEALED_MACHTIGING, (await session.execute(changed)).mappings().one())]
    facts = await describe_authentic_states(session, authority.vertegenwoordigde_id, rows)
    line = _build_line(act, authority.vertegenwoordigde_id, authority)
    await record(session, replace(line, facts=facts), at=at)
    return True


async def _notify_holders(
    session: AsyncSession, authority: Authority, holder_ids: Sequence[PersonId], act: _StopAct, at: datetime
) -> None:
    """Notify everybody who holds it. Nobody holds a forged row."""
    for holder_id in holder_ids:
        facts = notification_facts(authority.root, holder_id)
        await enqueue_notification(session, holder_id, act.to_helper, facts, at=at)


def _build_line(act: _StopAct, person_id: UUID, authority: Authority | None) -> NewJournalLine:
    return NewJournalLine(
        act=act.act,
        outcome=JournalOutcome.DONE,
        reason=EMERGENCY_STOP,
        actor_id=PersonId(person_id),
        capacity=Capacity.SELF,
        for_person_id=PersonId(person_id),
        machtiging_id=None if authority is None else authority.machtiging_id,
        on_behalf_of=None if authority is None else authority.organisation_id,
    )
