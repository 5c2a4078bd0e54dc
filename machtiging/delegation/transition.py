"""State machine of a machtiging: its transitions, with journal line and notifications."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.audit.row_authentication import authenticate_row
from machtiging.delegation.locks import lock_exclusive
from machtiging.delegation.queries import load_machtiging, machtiging_from_row, machtiging_table, select_machtiging
from machtiging.delegation.rules import (
    Capacity,
    Machtiging,
    MachtigingAction,
    MachtigingRole,
    MachtigingState,
    MachtigingTransition,
    resolve_transition,
    role_for_action,
)
from machtiging.delegation.tables import SEALED_AGREEMENT, SEALED_MACHTIGING, AgreementRow
from machtiging.kernel.clock import to_dutch_date
from machtiging.kernel.errors import Conflict, NotAllowed, NotFound
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.notifications.outbox import enqueue_notification
from machtiging.notifications.texts import NotificationKind
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import ROW_INVALID, reseal_changes

_MACHTIGING_TABLE = machtiging_table()
_AGREEMENT = table_of(AgreementRow)

JOURNAL_ACT_BY_ACTION = {
    MachtigingAction.ACCEPT: JournalAct.MACHTIGING_AANGENOMEN,
    MachtigingAction.REFUSE: JournalAct.MACHTIGING_GEWEIGERD,
    MachtigingAction.PAUSE: JournalAct.MACHTIGING_GEPAUZEERD,
    MachtigingAction.RESUME: JournalAct.MACHTIGING_HERVAT,
    MachtigingAction.WITHDRAW: JournalAct.MACHTIGING_INGETROKKEN,
    MachtigingAction.GIVE_BACK: JournalAct.MACHTIGING_TERUGGEGEVEN,
}
# The notification to the giver, and the one to the helper.
_NOTIFICATION_KINDS = {
    MachtigingAction.ACCEPT: (NotificationKind.AANGENOMEN, NotificationKind.AANGENOMEN_DOOR_U),
    MachtigingAction.REFUSE: (NotificationKind.GEWEIGERD, NotificationKind.GEWEIGERD_DOOR_U),
    MachtigingAction.PAUSE: (NotificationKind.GEPAUZEERD_DOOR_U, NotificationKind.GEPAUZEERD),
    MachtigingAction.RESUME: (NotificationKind.HERVAT_DOOR_U, NotificationKind.HERVAT),
    MachtigingAction.WITHDRAW: (NotificationKind.INGETROKKEN_DOOR_U, NotificationKind.INGETROKKEN),
    MachtigingAction.GIVE_BACK: (NotificationKind.TERUGGEGEVEN, NotificationKind.TERUGGEGEVEN_DOOR_U),
}


async def transition_machtiging(
    session: AsyncSession, action: MachtigingAction, machtiging_id: MachtigingId, person_id: PersonId, *, at: datetime
) -> Machtiging:
    """Apply an action to a machtiging, journal it and notify both persons.

    Raises NotFound `machtiging_onbekend`, or as `rules.resolve_transition`. A refusal is journalled too.
    """
    await lock_exclusive(session, machtiging_id)
    # FOR NO KEY UPDATE: issuing a token locks the consent and then this row's key (foreign key), while ending a
    # machtiging locks this row and then the consent. FOR UPDATE would make the two deadlock.
    query = select_machtiging().where(_MACHTIGING_TABLE.c.id == machtiging_id)
    query = query.with_for_update(key_share=True, of=_MACHTIGING_TABLE)
    found = (await session.execute(query)).one_or_none()
    before = None if found is None else machtiging_from_row(found)
    if before is None or _person_in_role(before, action) != person_id:
        await _journal_refusal(
            session, action, before, person_id, "bestaat_niet" if before is None else "niet_van_u", at
        )
        raise NotFound("machtiging_onbekend")
    try:
        line = resolve_transition(before, action, at)
    except Conflict as refusal:
        await _journal_refusal(session, action, before, person_id, refusal.code, at)
        raise
    try:
        after = await apply_transition(session, before, line, {}, at=at)
    except NotAllowed as refusal:
        await _journal_refusal(session, action, before, person_id, refusal.code, at)
        raise
    if after is None:  # impossible while the row is locked
        raise Conflict("machtiging_kan_dit_niet")
    await journal_and_notify(session, action, after, person_id, at=at)
    return after


def _person_in_role(machtiging: Machtiging, action: MachtigingAction) -> PersonId | None:
    return (
        machtiging.vertegenwoordigde_id
        if role_for_action(action) is MachtigingRole.GIVER
        else machtiging.gemachtigde_id
    )


async def apply_transition(
    session: AsyncSession, before: Machtiging, transition: MachtigingTransition, values: dict[str, Any], *, at: datetime
) -> Machtiging | None:
    """Write the transition if the state is unchanged, and return the new machtiging; else None.

    The row gets a new MAC if the old one was valid. Raises NotAllowed `rij_ongeldig` when a forged row would become
    active; it can be ended.
    """
    still = (_MACHTIGING_TABLE.c.id == before.id, _MACHTIGING_TABLE.c.state == before.state)
    locked = select(_MACHTIGING_TABLE).where(*still).with_for_update(key_share=True)
    row = (await session.execute(locked)).one_or_none()
    if row is None:
        return None
    ended = transition.target_state is MachtigingState.ENDED
    changed = values | {
        "state": transition.target_state,
        "paused_at": at if transition.target_state is MachtigingState.PAUSED else None,
        "ended_at": at if ended else None,
        "end_reason": transition.end_reason,
    }
    if transition.target_state is MachtigingState.ACTIVE and not await _is_authentic(session, row, at):
        raise NotAllowed(ROW_INVALID)
    sealed = reseal_changes(session, SEALED_MACHTIGING, row, changed)
    await session.execute(update(_MACHTIGING_TABLE).where(_MACHTIGING_TABLE.c.id == before.id).values(sealed))
    return await load_machtiging(session, before.id)


async def _is_authentic(session: AsyncSession, row: Row[Any], at: datetime) -> bool:
    """Verify the MACs of a machtiging and of its current agreement. A failure is journalled."""
    current = (_AGREEMENT.c.machtiging_id == row.id, _AGREEMENT.c.number == row.agreement_number)
    agreement = (await session.execute(select(_AGREEMENT).where(*current))).one()
    return await authenticate_row(session, SEALED_MACHTIGING, row, at=at) and await authenticate_row(
        session, SEALED_AGREEMENT, agreement, at=at
    )


async def journal_and_notify(
    session: AsyncSession, action: MachtigingAction, machtiging: Machtiging, actor_id: PersonId, *, at: datetime
) -> None:
    """Write one journal line and notify the giver and the helper.

    A helper who refused is in no row, and is notified as the actor.
    """
    by_giver = actor_id == machtiging.vertegenwoordigde_id
    capacity = Capacity.SELF if by_giver else machtiging.capacity
    await record(
        session, _build_journal_line(action, machtiging, actor_id, capacity, JournalOutcome.DONE, action), at=at
    )
    helper_id = machtiging.gemachtigde_id or (None if by_giver else actor_id)
    facts = notification_facts(machtiging, helper_id)
    to_giver, to_helper = _NOTIFICATION_KINDS[action]
    if helper_id is None:
        to_giver = NotificationKind.AANBOD_INGETROKKEN_DOOR_U
    await enqueue_notification(session, machtiging.vertegenwoordigde_id, to_giver, facts, at=at)
    if helper_id is not None:
        await enqueue_notification(session, helper_id, to_helper, facts, at=at)


def notification_facts(machtiging: Machtiging, helper_id: PersonId | None) -> dict[str, str]:
    """Return the facts that a notification stores: ids and days only.

    No names and no free text of the giver. Names are looked up when the notification is sent.
    """
    facts = {
        "machtiging_id": str(machtiging.id),
        "giver_id": str(machtiging.vertegenwoordigde_id),
        "begins_on": to_dutch_date(machtiging.period.starts_at).isoformat(),
        "ends_on": machtiging.period.last_day.isoformat(),
    }
    return facts if helper_id is None else facts | {"helper_id": str(helper_id)}


async def _journal_refusal(
    session: AsyncSession,
    action: MachtigingAction,
    machtiging: Machtiging | None,
    actor_id: PersonId,
    reason: str,
    at: datetime,
) -> None:
    await record(
        session, _build_journal_line(action, machtiging, actor_id, None, JournalOutcome.REFUSED, reason), at=at
    )


def _build_journal_line(
    action: MachtigingAction,
    machtiging: Machtiging | None,
    actor_id: PersonId,
    capacity: Capacity | None,
    outcome: JournalOutcome,
    reason: str,
) -> NewJournalLine:
    return NewJournalLine(
        act=JOURNAL_ACT_BY_ACTION[action],
        outcome=outcome,
        reason=reason,
        actor_id=actor_id,
        capacity=capacity,
        for_person_id=None if machtiging is None else machtiging.vertegenwoordigde_id,
        machtiging_id=None if machtiging is None else machtiging.id,
        facts={"kvk": machtiging.gemachtigde_kvk} if machtiging is not None and machtiging.gemachtigde_kvk else {},
    )
