"""State transitions of a machtiging, with journal line and notifications to both persons."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.delegation.gate import enter_alone
from machtiging.delegation.queries import machtiging_of_row, machtiging_table
from machtiging.delegation.rules import Capacity, Deed, Machtiging, Party, State, Step, party_to, step
from machtiging.kernel.clock import day_in_the_netherlands
from machtiging.kernel.errors import Conflict, NotFound
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.notifications.tell import tell
from machtiging.notifications.texts import Kind

_TABLE = machtiging_table()

ACT_OF = {
    Deed.ACCEPT: JournalAct.MACHTIGING_AANGENOMEN,
    Deed.REFUSE: JournalAct.MACHTIGING_GEWEIGERD,
    Deed.PAUSE: JournalAct.MACHTIGING_GEPAUZEERD,
    Deed.RESUME: JournalAct.MACHTIGING_HERVAT,
    Deed.WITHDRAW: JournalAct.MACHTIGING_INGETROKKEN,
    Deed.GIVE_BACK: JournalAct.MACHTIGING_TERUGGEGEVEN,
}
# The notification to the giver, and the one to the helper.
_TOLD = {
    Deed.ACCEPT: (Kind.AANGENOMEN, Kind.AANGENOMEN_DOOR_U),
    Deed.REFUSE: (Kind.GEWEIGERD, Kind.GEWEIGERD_DOOR_U),
    Deed.PAUSE: (Kind.GEPAUZEERD_DOOR_U, Kind.GEPAUZEERD),
    Deed.RESUME: (Kind.HERVAT_DOOR_U, Kind.HERVAT),
    Deed.WITHDRAW: (Kind.INGETROKKEN_DOOR_U, Kind.INGETROKKEN),
    Deed.GIVE_BACK: (Kind.TERUGGEGEVEN, Kind.TERUGGEGEVEN_DOOR_U),
}


async def move(
    session: AsyncSession, deed: Deed, machtiging_id: MachtigingId, person_id: PersonId, *, at: datetime
) -> Machtiging:
    """Apply an action to a machtiging, journal it and notify both persons.

    Raises NotFound `machtiging_onbekend`, or as `rules.resolve_transition`. A refusal is journalled too.
    """
    await enter_alone(session, machtiging_id)
    # FOR NO KEY UPDATE: issuing a token locks the consent and then this row's key (foreign key), while ending a
    # machtiging locks this row and then the consent. FOR UPDATE would make the two deadlock.
    held = select(_TABLE).where(_TABLE.c.id == machtiging_id).with_for_update(key_share=True)
    found = (await session.execute(held)).one_or_none()
    before = None if found is None else machtiging_of_row(found)
    if before is None or _whose(before, deed) != person_id:
        await _refused(session, deed, before, person_id, "bestaat_niet" if before is None else "niet_van_u", at)
        raise NotFound("machtiging_onbekend", "Deze machtiging kennen wij niet.")
    try:
        line = step(before, deed, at)
    except Conflict as refusal:
        await _refused(session, deed, before, person_id, refusal.code, at)
        raise
    after = await apply(session, before, line, {}, at=at)
    if after is None:  # impossible while the row is locked
        raise Conflict("machtiging_kan_dit_niet", "Dit kan nu niet met deze machtiging.")
    await witness(session, deed, after, person_id, at=at)
    return after


def _whose(machtiging: Machtiging, deed: Deed) -> PersonId | None:
    return machtiging.vertegenwoordigde_id if party_to(deed) is Party.GIVER else machtiging.gemachtigde_id


async def apply(
    session: AsyncSession, before: Machtiging, line: Step, values: dict[str, Any], *, at: datetime
) -> Machtiging | None:
    """Write the transition if the state is unchanged, and return the new machtiging; else None."""
    ended = line.to is State.ENDED
    changed = values | {
        "state": line.to,
        "paused_at": at if line.to is State.PAUSED else None,
        "ended_at": at if ended else None,
        "end_reason": line.why,
    }
    still = (_TABLE.c.id == before.id, _TABLE.c.state == before.state)
    row = (await session.execute(update(_TABLE).where(*still).values(changed).returning(_TABLE))).one_or_none()
    return None if row is None else machtiging_of_row(row)


async def witness(
    session: AsyncSession, deed: Deed, machtiging: Machtiging, actor_id: PersonId, *, at: datetime
) -> None:
    """Write one journal line and notify the giver and the helper.

    A helper who refused is in no row, and is notified as the actor.
    """
    by_giver = actor_id == machtiging.vertegenwoordigde_id
    capacity = Capacity.SELF if by_giver else machtiging.capacity
    await record(session, _line(deed, machtiging, actor_id, capacity, Outcome.DONE, deed), at=at)
    helper_id = machtiging.gemachtigde_id or (None if by_giver else actor_id)
    facts = told_facts(machtiging, helper_id)
    to_giver, to_helper = _TOLD[deed]
    if helper_id is None:
        to_giver = Kind.AANBOD_INGETROKKEN_DOOR_U
    await tell(session, machtiging.vertegenwoordigde_id, to_giver, facts, at=at)
    if helper_id is not None:
        await tell(session, helper_id, to_helper, facts, at=at)


def told_facts(machtiging: Machtiging, helper_id: PersonId | None) -> dict[str, str]:
    """Return the facts that a notification stores: ids and days only.

    No names and no free text of the giver. Names are looked up when the notification is sent.
    """
    facts = {
        "machtiging_id": str(machtiging.id),
        "giver_id": str(machtiging.vertegenwoordigde_id),
        "begins_on": day_in_the_netherlands(machtiging.period.starts_at).isoformat(),
        "ends_on": machtiging.period.last_day.isoformat(),
    }
    return facts if helper_id is None else facts | {"helper_id": str(helper_id)}


async def _refused(
    session: AsyncSession, deed: Deed, machtiging: Machtiging | None, actor_id: PersonId, reason: str, at: datetime
) -> None:
    await record(session, _line(deed, machtiging, actor_id, None, Outcome.REFUSED, reason), at=at)


def _line(
    deed: Deed,
    machtiging: Machtiging | None,
    actor_id: PersonId,
    capacity: Capacity | None,
    outcome: Outcome,
    reason: str,
) -> Line:
    return Line(
        act=ACT_OF[deed],
        outcome=outcome,
        reason=reason,
        actor_id=actor_id,
        capacity=capacity,
        for_person_id=None if machtiging is None else machtiging.vertegenwoordigde_id,
        machtiging_id=None if machtiging is None else machtiging.id,
        facts={"kvk": machtiging.gemachtigde_kvk} if machtiging is not None and machtiging.gemachtigde_kvk else {},
    )
