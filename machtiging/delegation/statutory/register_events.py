"""Receive each register event once, and in order per person.

What takes authority away is done at once. A later event waits for the ones before it, at most an hour
(`rules.MAX_WAIT`). Numbers count per register and represented person. What was refused is not stored, so that the
register can send it again, corrected.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.rules import Theme
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.audit.row_authentication import authenticate_row
from machtiging.audit.state_facts import state_facts
from machtiging.delegation.locks import lock_giver
from machtiging.delegation.statutory.application import EventContext, apply_event, take_away_ahead
from machtiging.delegation.statutory.rules import (
    MAX_WAIT,
    EventOutcome,
    EventType,
    Position,
    RegisterEvent,
    StatutoryKind,
    find_position,
)
from machtiging.delegation.tables import SEALED_REGISTER_EVENT, SEALED_STATUTORY_RELATION, RegisterEventRow
from machtiging.kernel.errors import ROW_INVALID, Conflict, Refusal
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import SealedTable, reseal_changes, seal_row

_EVENT = table_of(RegisterEventRow)
_States = list[tuple[SealedTable, Mapping[str, Any]]]


class ReceivedEvent(NamedTuple):
    """The answer to an event: the outcome, and the reason code of a refusal."""

    outcome: EventOutcome
    reason: str | None = None


async def receive_event(
    session: AsyncSession, context: EventContext, event: RegisterEvent, client_id: str | None = None, *, at: datetime
) -> ReceivedEvent:
    """Receive one event: apply it, let it wait, or answer as before.

    Raises Refusal with the reason code for an event that cannot be, and then stores nothing: the caller rolls back to
    before this call and journals the refusal (`journal_refused_event`).
    """
    await lock_giver(session, event.vertegenwoordigde_id)
    earlier = await _find_earlier(session, event)
    if earlier is not None:
        if earlier.body_hash != event.body_hash:
            raise Conflict("gebeurtenis_anders")
        return ReceivedEvent(EventOutcome(earlier.outcome), earlier.reason)
    position = find_position(event.sequence_number, await _find_last_number(session, event))
    if position is Position.AHEAD:
        is_applied = await take_away_ahead(session, context, event, at=at)
        outcome = EventOutcome.APPLIED if is_applied else EventOutcome.WAITING
        await _insert_event(session, event, outcome, client_id, at, is_ahead=is_applied)
        return ReceivedEvent(outcome)
    if position is Position.LATE and await _is_superseded(session, event):
        await _insert_event(session, event, EventOutcome.SUPERSEDED, client_id, at)
        return ReceivedEvent(EventOutcome.SUPERSEDED)
    relation = await apply_event(session, context, event, at=at)
    states: _States = [(SEALED_STATUTORY_RELATION, relation)]
    await _insert_event(session, event, EventOutcome.APPLIED, client_id, at, states=states)
    await _release_next(session, context, event.source, event.vertegenwoordigde_id, at)
    return ReceivedEvent(EventOutcome.APPLIED)


async def _find_earlier(session: AsyncSession, event: RegisterEvent) -> Row[Any] | None:
    """Find the row of the same id. Raises Conflict `gebeurtenis_anders`, `volgnummer_al_gebruikt`."""
    same = (_EVENT.c.source == event.source, _EVENT.c.source_event_id == event.source_event_id)
    found = (await session.execute(select(_EVENT).where(*same))).one_or_none()
    if found is None and event.sequence_number is not None:
        numbered = _of_person(event.source, event.vertegenwoordigde_id)
        same_number = select(_EVENT.c.id).where(*numbered, _EVENT.c.sequence_number == event.sequence_number)
        if await session.scalar(same_number) is not None:
            raise Conflict("volgnummer_al_gebruikt")
    return found


def _of_person(source: str, person_id: PersonId) -> tuple[ColumnElement[bool], ...]:
    return (_EVENT.c.source == source, _EVENT.c.vertegenwoordigde_id == person_id)


async def _find_last_number(session: AsyncSession, event: RegisterEvent) -> int:
    """Return the last number that was applied in its turn; 0 if none was."""
    in_turn = (_EVENT.c.outcome != EventOutcome.WAITING.value, _EVENT.c.is_ahead.is_(False))
    mine = _of_person(event.source, event.vertegenwoordigde_id)
    return await session.scalar(select(func.max(_EVENT.c.sequence_number)).where(*mine, *in_turn)) or 0


async def _is_superseded(session: AsyncSession, event: RegisterEvent) -> bool:
    """Return whether a later change of the same relation was applied. An end always counts."""
    if event.type is not EventType.CHANGE:
        return False
    later = (
        _EVENT.c.source == event.source,
        _EVENT.c.relation_reference == event.relation_reference,
        _EVENT.c.sequence_number > event.sequence_number,
        _EVENT.c.outcome == EventOutcome.APPLIED.value,
    )
    return await session.scalar(select(_EVENT.c.id).where(*later).limit(1)) is not None


async def _insert_event(
    session: AsyncSession,
    event: RegisterEvent,
    outcome: EventOutcome,
    client_id: str | None,
    at: datetime,
    *,
    states: _States | None = None,
    is_ahead: bool = False,
) -> None:
    values = {
        "id": uuid7(),
        "source": event.source,
        "source_event_id": event.source_event_id,
        "sequence_number": event.sequence_number,
        "type": event.type.value,
        "kind": event.kind.value,
        "relation_reference": event.relation_reference,
        "vertegenwoordigde_id": event.vertegenwoordigde_id,
        "vertegenwoordiger_id": event.vertegenwoordiger_id,
        "is_organisation": event.is_organisation,
        "effective_on": event.effective_on,
        "ends_on": event.ends_on,
        "themes": None if event.themes is None else sorted(event.themes),
        "evidence_reference": event.evidence_reference,
        "registered_on": event.registered_on,
        "born_on": event.born_on,
        "body_hash": event.body_hash,
        "received_at": at,
        "applied_at": None if outcome is EventOutcome.WAITING else at,
        "outcome": outcome.value,
        "reason": None,
        "is_ahead": is_ahead,
    }
    inserting = insert(_EVENT).values(seal_row(session, SEALED_REGISTER_EVENT, values)).returning(_EVENT)
    row = (await session.execute(inserting)).mappings().one()
    await _journal_event(session, row, client_id, at, states or [])


async def _journal_event(
    session: AsyncSession, row: Mapping[str, Any], client_id: str | None, at: datetime, states: _States
) -> None:
    line = NewJournalLine(
        act=JournalAct.REGISTERGEBEURTENIS_ONTVANGEN,
        outcome=JournalOutcome.REFUSED if row["outcome"] == EventOutcome.REFUSED.value else JournalOutcome.DONE,
        reason=row["reason"] or row["outcome"],
        client_id=client_id,
        for_person_id=row["vertegenwoordigde_id"],
        object_kind="registergebeurtenis",
        object_id=str(row["id"]),
        facts={"soort": row["kind"], "gebeurtenis": row["type"]}
        | dict(state_facts([(SEALED_REGISTER_EVENT, row), *states])),
    )
    await record(session, line, at=at)


async def journal_refused_event(
    session: AsyncSession, source: str, code: str, client_id: str | None = None, *, at: datetime
) -> None:
    """Journal the refusal of an event, without anything of its content."""
    line = NewJournalLine(
        JournalAct.REGISTERGEBEURTENIS_GEWEIGERD,
        JournalOutcome.REFUSED,
        code,
        client_id=client_id,
        facts={"register": source},
    )
    await record(session, line, at=at)


async def _release_next(
    session: AsyncSession, context: EventContext, source: str, person_id: PersonId, at: datetime
) -> None:
    """Apply the waiting events whose turn has come now."""
    while (row := await _find_next(session, source, person_id)) is not None:
        if row.is_ahead:
            await _update_event(session, row, {"is_ahead": False}, at)
        else:
            await _apply_waiting(session, context, row, at)


async def _find_next(session: AsyncSession, source: str, person_id: PersonId) -> Row[Any] | None:
    mine, waits = _of_person(source, person_id), _EVENT.c.outcome == EventOutcome.WAITING.value
    done = (~waits, _EVENT.c.is_ahead.is_(False))
    last = select(func.coalesce(func.max(_EVENT.c.sequence_number), 0)).where(*mine, *done).scalar_subquery()
    following = select(_EVENT).where(*mine, _EVENT.c.sequence_number == last + 1)
    return (await session.execute(following)).one_or_none()


async def _apply_waiting(session: AsyncSession, context: EventContext, row: Row[Any], at: datetime) -> None:
    """Apply an event that waited. One that is refused now is stored as refused."""
    states: _States = []
    try:
        if not await authenticate_row(session, SEALED_REGISTER_EVENT, row, at=at):
            raise Conflict(ROW_INVALID)
        async with session.begin_nested():
            states = [(SEALED_STATUTORY_RELATION, await apply_event(session, context, _event_from_row(row), at=at))]
        outcome, reason = EventOutcome.APPLIED, None
    except Refusal as refusal:
        outcome, reason = EventOutcome.REFUSED, refusal.code
    await _update_event(session, row, {"outcome": outcome.value, "reason": reason, "applied_at": at}, at, states)


async def _update_event(
    session: AsyncSession, row: Row[Any], changes: dict[str, Any], at: datetime, states: _States | None = None
) -> None:
    sealed = reseal_changes(session, SEALED_REGISTER_EVENT, row, changes)
    changed = update(_EVENT).where(_EVENT.c.id == row.id).values(sealed).returning(_EVENT)
    await _journal_event(session, (await session.execute(changed)).mappings().one(), None, at, states or [])


def _event_from_row(row: Row[Any]) -> RegisterEvent:
    return RegisterEvent(
        source=row.source,
        source_event_id=row.source_event_id,
        sequence_number=row.sequence_number,
        type=EventType(row.type),
        kind=StatutoryKind(row.kind),
        relation_reference=row.relation_reference,
        vertegenwoordigde_id=row.vertegenwoordigde_id,
        vertegenwoordiger_id=row.vertegenwoordiger_id,
        is_organisation=row.is_organisation,
        effective_on=row.effective_on,
        ends_on=row.ends_on,
        themes=None if row.themes is None else frozenset(map(Theme, row.themes)),
        evidence_reference=row.evidence_reference,
        registered_on=row.registered_on,
        born_on=row.born_on,
        body_hash=row.body_hash,
    )


async def find_person_with_overdue_event(session: AsyncSession, *, at: datetime) -> PersonId | None:
    """Return a person with an event that waited long enough; None if there is none."""
    overdue = (_EVENT.c.outcome == EventOutcome.WAITING.value, _EVENT.c.received_at <= at - MAX_WAIT)
    found = select(_EVENT.c.vertegenwoordigde_id).where(*overdue).order_by(_EVENT.c.received_at).limit(1)
    person_id: PersonId | None = await session.scalar(found)
    return person_id


async def apply_overdue_events(
    session: AsyncSession, context: EventContext, person_id: PersonId, *, at: datetime
) -> None:
    """Apply the events of a person that waited an hour, in order of number."""
    await lock_giver(session, person_id)
    overdue = (
        _EVENT.c.vertegenwoordigde_id == person_id,
        _EVENT.c.outcome == EventOutcome.WAITING.value,
        _EVENT.c.received_at <= at - MAX_WAIT,
    )
    in_order = select(_EVENT).where(*overdue).order_by(_EVENT.c.source, _EVENT.c.sequence_number)
    for row in (await session.execute(in_order)).all():
        current = (await session.execute(select(_EVENT).where(_EVENT.c.id == row.id))).one()
        if current.outcome == EventOutcome.WAITING.value:  # not released by the one before
            await _apply_waiting(session, context, current, at)
            await _release_next(session, context, row.source, person_id, at)
