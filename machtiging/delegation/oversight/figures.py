"""Counts of machtigingen by channel, capacity, state and holder. No count shows a single person.

Every count is rounded down to a multiple of five (`ROUNDED_TO`), also zero. So a small group is not told apart from
none, and no difference of two counts gives one away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, case, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.rules import Capacity, Channel, EffectiveState, MachtigingState
from machtiging.delegation.tables import AgreementRow, MachtigingRow
from machtiging.identity.tables import Party
from machtiging.storage.columns import table_of

# The newest machtigingen are counted, up to this number, so that the page costs the same however many there are.
MAX_COUNTED = 100_000
# Smaller groups may be recognised. The same number that Statistics Netherlands rounds to in small tables.
ROUNDED_TO = 5
# The capacities that a machtiging can be stored with.
GROUNDS = (
    *(Capacity.RELATIVE, Capacity.PROFESSIONAL),
    *(Capacity.CURATOR, Capacity.BEWINDVOERDER, Capacity.MENTOR, Capacity.PARENT, Capacity.DIRECTOR),
)
_Value = TypeVar("_Value", bound=StrEnum)
_MACHTIGING, _AGREEMENT, _PARTY = table_of(MachtigingRow), table_of(AgreementRow), table_of(Party)


class HolderKind(StrEnum):
    """The kind of party that holds a machtiging, or to which it is offered."""

    PERSON = "person"
    ORGANISATION = "organisation"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class MachtigingFigures:
    """Rounded counts. `complete`: False if only the newest MAX_COUNTED are counted.

    Every value of a breakdown has a count, 0 for fewer than ROUNDED_TO.
    """

    total: int
    complete: bool
    by_channel: Mapping[Channel, int]
    by_capacity: Mapping[Capacity, int]
    by_state: Mapping[EffectiveState, int]
    by_holder: Mapping[HolderKind, int]


def round_count(count: int) -> int:
    """Round a count down to a multiple of ROUNDED_TO."""
    return count // ROUNDED_TO * ROUNDED_TO


async def count_machtigingen(session: AsyncSession, *, at: datetime) -> MachtigingFigures:
    """Count the machtigingen that citizens or registers gave, in one statement. Assignments are not counted."""
    rows = (await session.execute(_build_query(at))).all()
    total = sum(row.number for row in rows)
    return MachtigingFigures(
        total=round_count(min(total, MAX_COUNTED)),
        complete=total <= MAX_COUNTED,
        by_channel=_sum_by(rows, "channel", Channel),
        by_capacity=_sum_by(rows, "capacity", GROUNDS),
        by_state=_sum_by(rows, "state", EffectiveState),
        by_holder=_sum_by(rows, "holder", HolderKind),
    )


def _build_query(at: datetime) -> Select[Any]:
    columns = ("id", "capacity", "state", "stopped_at", "agreement_number", "gemachtigde_id", "offered_to")
    newest = (
        select(*(_MACHTIGING.c[name] for name in columns))
        .where(_MACHTIGING.c.parent_id.is_(None))
        .order_by(_MACHTIGING.c.id.desc())
        .limit(MAX_COUNTED + 1)
        .subquery()
    )
    agreed = (_AGREEMENT.c.machtiging_id == newest.c.id) & (_AGREEMENT.c.number == newest.c.agreement_number)
    party_id = func.coalesce(newest.c.gemachtigde_id, newest.c.offered_to)
    joined = newest.join(_AGREEMENT, agreed).outerjoin(_PARTY, _PARTY.c.id == party_id)
    described = select(
        _AGREEMENT.c.channel.label("channel"),
        newest.c.capacity.label("capacity"),
        _effective_state(newest, at).label("state"),
        func.coalesce(_PARTY.c.kind, HolderKind.NOBODY.value).label("holder"),
    )
    groups = described.select_from(joined).subquery()
    return select(groups, func.count().label("number")).group_by(*groups.c)


def _effective_state(newest: Any, at: datetime) -> ColumnElement[str]:
    """Build the state at this instant, in the order of `rules.effective_state`."""
    now = literal(at)
    return case(
        (newest.c.state == MachtigingState.ENDED.value, EffectiveState.ENDED.value),
        (newest.c.stopped_at.is_not(None) & (now < _AGREEMENT.c.ends_at), EffectiveState.STOPPED.value),
        (newest.c.state == MachtigingState.OFFERED.value, EffectiveState.NOT_ACCEPTED.value),
        (now >= _AGREEMENT.c.ends_at, EffectiveState.EXPIRED.value),
        (newest.c.state == MachtigingState.PAUSED.value, EffectiveState.PAUSED.value),
        (_AGREEMENT.c.needs_confirmation, EffectiveState.NOT_ACCEPTED.value),
        (now < _AGREEMENT.c.cooling_off_until, EffectiveState.NOT_BEGUN.value),
        (now < _AGREEMENT.c.starts_at, EffectiveState.NOT_BEGUN.value),
        else_=EffectiveState.IN_FORCE.value,
    )


def _sum_by(rows: Any, column: str, values: Iterable[_Value]) -> dict[_Value, int]:
    sums: Counter[str] = Counter()
    for row in rows:
        sums[getattr(row, column)] += row.number
    return {value: round_count(sums[value.value]) for value in values}
