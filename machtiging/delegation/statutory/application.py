"""Apply one event of a register to its statutory relation and machtiging, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.statutory.precedence import Precedence
from machtiging.delegation.statutory.projection import end_projection, end_superseded, insert_projection
from machtiging.delegation.statutory.relations import (
    change_relation,
    end_relation,
    find_relation,
    insert_relation,
    resolve_relation_end,
)
from machtiging.delegation.statutory.rules import (
    EventOutcome,
    EventType,
    RegisterEvent,
    require_possible_giving_event,
    start_of_day,
)
from machtiging.delegation.tables import RegisterEventRow
from machtiging.kernel.clock import to_dutch_date
from machtiging.kernel.errors import Conflict, NotFound
from machtiging.storage.columns import table_of

_EVENT = table_of(RegisterEventRow)
_RelationRow = Mapping[str, Any]


class EventContext(NamedTuple):
    """The key ring and the rows of precedence that every event is applied with."""

    keyring: KeyRing
    precedence: Precedence


async def apply_event(
    session: AsyncSession, context: EventContext, event: RegisterEvent, *, at: datetime
) -> _RelationRow:
    """Apply an event and return the new row of its relation. The caller holds `locks.lock_giver`.

    Raises InvalidInput, Conflict or NotFound with the reason code if the event is impossible.
    """
    relation = await find_relation(session, event, at=at)
    if event.type is EventType.BEGIN:
        return await _begin(session, context, event, relation, at)
    if relation is None:
        raise NotFound("relatie_onbekend")
    if relation.ends_at is not None and relation.ends_at <= at:
        raise Conflict("relatie_al_beeindigd")
    if event.type is EventType.CHANGE:
        return await _change(session, context, event, relation, at)
    return await _end(session, event, relation, at)


async def _begin(
    session: AsyncSession, context: EventContext, event: RegisterEvent, relation: Row[Any] | None, at: datetime
) -> _RelationRow:
    """Make the relation with its machtiging; for one that `take_away_ahead` made, only the machtiging."""
    if relation is not None and relation.machtiging_id is not None:
        raise Conflict("relatie_bestaat_al")
    require_possible_giving_event(event, at)
    if relation is not None and relation.ends_at is not None and relation.ends_at <= at:
        return dict(relation._mapping)  # noqa: SLF001 (its end came first: the begin gives nothing)
    ends_at = resolve_relation_end(event)
    if relation is None and await _has_ended_before(session, event):
        ends_at = at if ends_at is None else min(ends_at, at)
    if ends_at is not None and ends_at <= at:
        ends_at = max(ends_at, start_of_day(event.effective_on))
        return await insert_relation(session, context.precedence, event, None, ends_at)
    machtiging_id = await insert_projection(session, context.keyring, event, at=at)
    if relation is None:
        row = await insert_relation(session, context.precedence, event, machtiging_id, ends_at)
    else:
        row = await change_relation(session, context.precedence, relation, event, machtiging_id)
    await _end_what_is_closed(session, event, row, at)
    return row


async def _has_ended_before(session: AsyncSession, event: RegisterEvent) -> bool:
    """Return whether the end of this relation was applied ahead of its begin."""
    ended = (
        _EVENT.c.source == event.source,
        _EVENT.c.relation_reference == event.relation_reference,
        _EVENT.c.type == EventType.END.value,
        _EVENT.c.outcome == EventOutcome.APPLIED.value,
    )
    return bool(await session.scalar(select(exists().where(*ended))))


async def _change(
    session: AsyncSession, context: EventContext, event: RegisterEvent, relation: Row[Any], at: datetime
) -> _RelationRow:
    """End the machtiging as it was, and make one on the new terms.

    What is over at `at` ends with the old one.
    """
    require_possible_giving_event(event, at)
    _require_not_ahead(event, at)
    if relation.machtiging_id is not None:
        await end_projection(session, relation.machtiging_id, at=at)
    ends_at = resolve_relation_end(event)
    if ends_at is not None and ends_at <= at:
        return await end_relation(session, relation, ends_at)
    machtiging_id = await insert_projection(session, context.keyring, event, at=at)
    row = await change_relation(session, context.precedence, relation, event, machtiging_id)
    await _end_what_is_closed(session, event, row, at)
    return row


async def _end(session: AsyncSession, event: RegisterEvent, relation: Row[Any], at: datetime) -> _RelationRow:
    ends_at = start_of_day(event.effective_on)
    if ends_at > relation.starts_at:
        _require_not_ahead(event, at)
    if ends_at < relation.starts_at:
        raise Conflict("einde_voor_begin")
    if relation.machtiging_id is not None:
        await end_projection(session, relation.machtiging_id, at=at)
    return await end_relation(session, relation, ends_at)


def _require_not_ahead(event: RegisterEvent, at: datetime) -> None:
    """Require a day that has come. The register sends a change or end on its day."""
    if event.effective_on > to_dutch_date(at):
        raise Conflict("ingang_in_toekomst")


async def _end_what_is_closed(session: AsyncSession, event: RegisterEvent, row: _RelationRow, at: datetime) -> None:
    closed = row["closed_capacities"], row["closed_themes"]
    await end_superseded(session, event.vertegenwoordigde_id, *closed, at=at)


async def take_away_ahead(session: AsyncSession, context: EventContext, event: RegisterEvent, *, at: datetime) -> bool:
    """Take away at once what an event that still waits will take away. Returns whether it is applied as a whole.

    An end is applied; before its begin it is remembered, and the begin then gives nothing. A change of representative
    or extent, or a sooner end, stops the machtiging until its turn comes. A begin closes what the citizen gave herself,
    and gives nothing yet. Raises as `apply_event` for an impossible begin or end.
    """
    relation = await find_relation(session, event, at=at)
    if event.type is EventType.END:
        if relation is not None and (relation.ends_at is None or relation.ends_at > at):
            await _end(session, event, relation, at)
        return True
    if event.type is EventType.BEGIN:
        await _close_ahead(session, context, event, relation, at)
    elif relation is not None and _takes_away(relation, event):
        await end_projection(session, relation.machtiging_id, at=at)
    return False


async def _close_ahead(
    session: AsyncSession, context: EventContext, event: RegisterEvent, relation: Row[Any] | None, at: datetime
) -> None:
    """Make the relation of a begin that waits, without its machtiging."""
    if relation is not None:
        raise Conflict("relatie_bestaat_al")
    require_possible_giving_event(event, at)
    ends_at = resolve_relation_end(event)
    if await _has_ended_before(session, event) or (ends_at is not None and ends_at <= at):
        return
    row = await insert_relation(session, context.precedence, event, None, ends_at)
    await _end_what_is_closed(session, event, row, at)


def _takes_away(relation: Row[Any], event: RegisterEvent) -> bool:
    """Return True if a change leaves the present representative less."""
    if relation.machtiging_id is None:
        return False
    if relation.vertegenwoordiger_id != event.vertegenwoordiger_id:
        return True
    ends_at = resolve_relation_end(event)
    sooner = ends_at is not None and (relation.ends_at is None or ends_at < relation.ends_at)
    extent = relation.extent.split(" ")
    narrower = event.themes is not None and (extent == ["volledig"] or not set(extent) <= event.themes)
    return sooner or narrower
