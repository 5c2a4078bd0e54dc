"""State machine of a machtiging: its transitions, with journal line and notifications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.delegation.authority.holders import load_holder_ids
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.locks import lock_exclusive
from machtiging.delegation.queries import load_machtiging, machtiging_table
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
from machtiging.delegation.state_lines import describe_authentic_states
from machtiging.delegation.tables import SEALED_MACHTIGING
from machtiging.kernel.clock import to_dutch_date
from machtiging.kernel.errors import ROW_INVALID, Conflict, NotAllowed, NotFound
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.notifications.outbox import enqueue_notification
from machtiging.notifications.texts import NotificationKind
from machtiging.storage.row_mac import SealedTable, reseal_changes

_MACHTIGING_TABLE = machtiging_table()

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
# The notification to the giver while nobody of the organisation reads. It does not say that somebody does.
_KINDS_WITHOUT_READER = {
    MachtigingAction.ACCEPT: NotificationKind.AANGENOMEN_DOOR_ORGANISATIE,
    MachtigingAction.RESUME: NotificationKind.HERVAT_ZONDER_LEZER_DOOR_U,
}


async def transition_machtiging(
    session: AsyncSession,
    action: MachtigingAction,
    machtiging_id: MachtigingId,
    person_id: PersonId,
    *,
    at: datetime,
    director_id: PersonId | None = None,
) -> Machtiging:
    """Apply an action to a machtiging, journal it and notify both sides.

    `director_id`: the person who acts for the business `person_id` that gave it. `businesses.giving` decides that.

    Raises NotFound `machtiging_onbekend`, NotAllowed `rij_ongeldig`, or as `rules.resolve_transition`. A refusal is
    journalled too.
    """
    await lock_machtiging(session, machtiging_id)
    authority = await load_authority(session, machtiging_id, at=at)
    before = None if authority is None else authority.leaf
    if authority is None or before is None or _person_in_role(authority, action) != person_id:
        reason = "bestaat_niet" if before is None else "niet_van_u"
        await _journal_refusal(session, action, authority, director_id or person_id, reason, at)
        raise NotFound("machtiging_onbekend")
    try:
        line = resolve_transition(before, action, at)
        if line.target_state is MachtigingState.ACTIVE and not authority.is_authentic:
            raise NotAllowed(ROW_INVALID)
    except (Conflict, NotAllowed) as refusal:
        await _journal_refusal(session, action, authority, director_id or person_id, refusal.code, at)
        raise
    after = await apply_transition(session, before, line, {}, at=at)
    if after is None:  # impossible while the row is locked
        raise Conflict("machtiging_kan_dit_niet")
    await journal_and_notify(session, ActionRecord(action, person_id, authority, after, director_id=director_id), at=at)
    return after.machtiging


async def lock_machtiging(session: AsyncSession, machtiging_id: MachtigingId) -> None:
    """Lock a machtiging before changing it, until the transaction ends."""
    await lock_exclusive(session, machtiging_id)
    # FOR NO KEY UPDATE: issuing a token locks the consent and then this row's key (foreign key), while ending a
    # machtiging locks this row and then the consent. FOR UPDATE would make the two deadlock.
    locked = select(_MACHTIGING_TABLE.c.id).where(_MACHTIGING_TABLE.c.id == machtiging_id)
    await session.execute(locked.with_for_update(key_share=True))


def _person_in_role(authority: Authority, action: MachtigingAction) -> PersonId | None:
    by_giver = role_for_action(action) is MachtigingRole.GIVER
    return authority.vertegenwoordigde_id if by_giver else authority.holder_id


class TransitionResult(NamedTuple):
    """A machtiging after a transition, and its new row."""

    machtiging: Machtiging
    row: Mapping[str, Any]


async def apply_transition(
    session: AsyncSession, before: Machtiging, transition: MachtigingTransition, values: dict[str, Any], *, at: datetime
) -> TransitionResult | None:
    """Write the transition if the state is unchanged, and return the result; else None.

    The row gets a new MAC if the old one was valid: a forged row must not become valid by ending it.
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
    sealed = reseal_changes(session, SEALED_MACHTIGING, row, changed)
    changing = update(_MACHTIGING_TABLE).where(_MACHTIGING_TABLE.c.id == before.id).values(sealed)
    new_row = (await session.execute(changing.returning(_MACHTIGING_TABLE))).mappings().one()
    after = await load_machtiging(session, before.id)
    return None if after is None else TransitionResult(after, new_row)


class ActionRecord(NamedTuple):
    """An action that was done: by whom, on whose authority, and the result. More rows may have changed with it.

    `director_id`: the person who acted for `actor_id`, the business that gave it.
    """

    action: MachtigingAction
    actor_id: PersonId
    authority: Authority
    result: TransitionResult
    more_rows: tuple[tuple[SealedTable, Mapping[str, Any]], ...] = ()
    director_id: PersonId | None = None


async def journal_and_notify(session: AsyncSession, done: ActionRecord, *, at: datetime) -> None:
    """Journal an action with the new state, and notify the giver and the holders.

    A helper who refused is in no row, and is notified as the actor. Nobody is notified of a forged row: it may name
    other people than those who agreed. Of what waits for a second person only the giver is, when it is accepted.
    """
    machtiging = done.result.machtiging
    by_giver = done.actor_id == machtiging.vertegenwoordigde_id
    capacity = Capacity.SELF if by_giver else machtiging.capacity
    line = _build_journal_line(done.action, done.authority, done.actor_id, capacity, JournalOutcome.DONE, done.action)
    if done.director_id is not None:
        line = replace(
            line, actor_id=done.director_id, capacity=Capacity.DIRECTOR, on_behalf_of=machtiging.vertegenwoordigde_id
        )
    rows = ((SEALED_MACHTIGING, done.result.row), *done.more_rows)
    facts = await describe_authentic_states(session, machtiging.vertegenwoordigde_id, rows)
    await record(session, replace(line, facts=facts), at=at)
    if not done.authority.is_authentic:
        return
    await _notify_parties(session, done, by_giver=by_giver, at=at)


async def _notify_parties(session: AsyncSession, done: ActionRecord, *, by_giver: bool, at: datetime) -> None:
    """Notify the giver and the holders. Of a machtiging of an organisation that nobody reads, only the giver."""
    machtiging, organisation = done.result.machtiging, done.authority.organisation
    waits = done.authority.awaits_second_person
    holder_ids = [] if waits else await load_holder_ids(session, done.authority, at=at)
    to_giver, to_helper = _NOTIFICATION_KINDS[done.action]
    if not holder_ids and machtiging.accepted_at is None:
        holder_ids = [] if by_giver else [done.actor_id]
        to_giver = NotificationKind.AANBOD_INGETROKKEN_DOOR_U if by_giver else to_giver
    elif not holder_ids:
        if waits and not by_giver and done.action is not MachtigingAction.ACCEPT:
            return  # nobody was told of the assignment
        to_giver = _KINDS_WITHOUT_READER.get(done.action, to_giver)
    facts_to_giver = notification_facts(machtiging, holder_ids[0] if holder_ids else None)
    if not holder_ids and organisation is not None:
        facts_to_giver["organisation"] = organisation.name
    await enqueue_notification(session, machtiging.vertegenwoordigde_id, to_giver, facts_to_giver, at=at)
    for holder_id in holder_ids:
        await enqueue_notification(session, holder_id, to_helper, notification_facts(machtiging, holder_id), at=at)


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
    authority: Authority | None,
    actor_id: PersonId,
    reason: str,
    at: datetime,
) -> None:
    await record(session, _build_journal_line(action, authority, actor_id, None, JournalOutcome.REFUSED, reason), at=at)


def _build_journal_line(
    action: MachtigingAction,
    authority: Authority | None,
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
        for_person_id=None if authority is None else authority.vertegenwoordigde_id,
        machtiging_id=None if authority is None else authority.machtiging_id,
        on_behalf_of=None if authority is None else authority.organisation_id,
    )
