"""Queries on machtigingen, and Core columns to load one inside another statement."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Label, Row, Select, Table, literal, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.gate import enter_beside_others
from machtiging.delegation.rules import Act, Capacity, EndReason, Machtiging, Scope, State
from machtiging.delegation.tables import MachtigingRow, Machtigingscode
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.kernel.period import Period

_TABLE: Table = MachtigingRow.__table__  # type: ignore[attr-defined]
_CODE: Table = Machtigingscode.__table__  # type: ignore[attr-defined]
# Every column as `m_<name>`. Select these and pass the row's mapping to `machtiging_from_mapping`.
MACHTIGING_COLUMNS: tuple[Label[Any], ...] = tuple(column.label(f"m_{column.name}") for column in _TABLE.c)


def machtiging_table() -> Table:
    """Return the table, for a join or `FOR SHARE OF`. Read its rows only with `machtiging_from_mapping`."""
    return _TABLE


def machtiging_from_mapping(mapping: Mapping[Any, Any], prefix: str = "m_") -> Machtiging:
    """Build the Machtiging from a row with every column of the table under `prefix`."""
    return Machtiging(
        id=mapping[prefix + "id"],
        vertegenwoordigde_id=mapping[prefix + "vertegenwoordigde_id"],
        gemachtigde_id=mapping[prefix + "gemachtigde_id"],
        gemachtigde_kvk=mapping[prefix + "gemachtigde_kvk"],
        parent_id=mapping[prefix + "parent_id"],
        capacity=Capacity(mapping[prefix + "capacity"]),
        purpose=mapping[prefix + "purpose"],
        legal_ground=mapping[prefix + "legal_ground"],
        state=State(mapping[prefix + "state"]),
        scope=_scope(mapping, prefix),
        assurance=Assurance(mapping[prefix + "assurance"]),
        accepted_assurance=_maybe(Assurance, mapping[prefix + "accepted_assurance"]),
        period=Period(mapping[prefix + "starts_at"], mapping[prefix + "ends_at"]),
        ended_at=mapping[prefix + "ended_at"],
        end_reason=_maybe(EndReason, mapping[prefix + "end_reason"]),
        offered_at=mapping[prefix + "offered_at"],
        accepted_at=mapping[prefix + "accepted_at"],
    )


def _scope(mapping: Mapping[Any, Any], prefix: str) -> Scope:
    themes = mapping[prefix + "themes"]
    return Scope(
        afzenders=_maybe(frozenset, mapping[prefix + "afzenders"]),
        diensten=_maybe(frozenset, mapping[prefix + "diensten"]),
        themes=None if themes is None else frozenset(map(Theme, themes)),
        excluded_themes=frozenset(map(Theme, mapping[prefix + "excluded_themes"])),
        highest_sensitivity=Sensitivity(mapping[prefix + "highest_sensitivity"]),
        letters_from=mapping[prefix + "letters_from"],
        acts=frozenset(map(Act, mapping[prefix + "acts"])),
    )


def _maybe(kind: Any, value: Any) -> Any:
    return None if value is None else kind(value)


def machtiging_of_row(row: Row[Any]) -> Machtiging:
    """Build the Machtiging from a row of the table (column names without a prefix)."""
    return machtiging_from_mapping(row._mapping, prefix="")  # noqa: SLF001 (SQLAlchemy's public name for it)


async def machtiging(session: AsyncSession, machtiging_id: MachtigingId) -> Machtiging | None:
    """Load the machtiging with this id. The caller checks who may see it."""
    found = await _all(session, select(_TABLE).where(_TABLE.c.id == machtiging_id))
    return found[0] if found else None


async def lock_machtiging_shared(session: AsyncSession, machtiging_id: MachtigingId) -> Machtiging | None:
    """Load the machtiging FOR SHARE; it stays unchanged until the transaction ends.

    For inserting a row under it: a concurrent revocation waits, and then ends that row too.
    """
    beside = _TABLE.join(enter_beside_others(literal(machtiging_id, _TABLE.c.id.type)), true())
    held = select(_TABLE).select_from(beside).where(_TABLE.c.id == machtiging_id)
    found = await _all(session, held.with_for_update(read=True, of=_TABLE))
    return found[0] if found else None


async def machtiging_of(session: AsyncSession, machtiging_id: MachtigingId, person_id: PersonId) -> Machtiging | None:
    """Load the machtiging if this person gave or received it; else None."""
    yours = or_(_TABLE.c.vertegenwoordigde_id == person_id, _TABLE.c.gemachtigde_id == person_id)
    found = await _all(session, select(_TABLE).where(_TABLE.c.id == machtiging_id, yours))
    return found[0] if found else None


@dataclass(frozen=True, slots=True)
class OpenCode:
    """The unused code of an offer: its id, expiry and tries left."""

    id: UUID
    works_until: datetime
    tries_left: int

    def works_at(self, at: datetime) -> bool:
        """Return True if the code can still be redeemed."""
        return at < self.works_until and self.tries_left > 0


async def open_code(session: AsyncSession, machtiging_id: MachtigingId) -> OpenCode | None:
    """Load the unused code of this offer; None when it was used.

    The code may have expired. The caller checks who may see it.
    """
    mine = (_CODE.c.machtiging_id == machtiging_id, _CODE.c.used_at.is_(None))
    row = (await session.execute(select(_CODE.c.id, _CODE.c.expires_at, _CODE.c.tries_left).where(*mine))).one_or_none()
    return None if row is None else OpenCode(row.id, row.expires_at, row.tries_left)


async def given_by(session: AsyncSession, person_id: PersonId) -> list[Machtiging]:
    """List every machtiging that this person gave, newest first, ended ones included."""
    return await _all(session, _newest_first().where(_TABLE.c.vertegenwoordigde_id == person_id))


async def received_by(session: AsyncSession, person_id: PersonId) -> list[Machtiging]:
    """List every machtiging that this person accepted, newest first, ended ones included."""
    return await _all(session, _newest_first().where(_TABLE.c.gemachtigde_id == person_id))


async def machtigingen_with(
    session: AsyncSession, ids: Collection[UUID], person_id: PersonId
) -> dict[MachtigingId, Machtiging]:
    """Load those of these machtigingen that this person gave or received."""
    if not ids:
        return {}
    yours = or_(_TABLE.c.vertegenwoordigde_id == person_id, _TABLE.c.gemachtigde_id == person_id)
    return {one.id: one for one in await _all(session, select(_TABLE).where(_TABLE.c.id.in_(ids), yours))}


async def purposes_given(session: AsyncSession, ids: Collection[UUID], person_id: PersonId) -> dict[UUID, str]:
    """Load the purposes of those of these machtigingen that this person gave."""
    if not ids:
        return {}
    hers = (_TABLE.c.id.in_(ids), _TABLE.c.vertegenwoordigde_id == person_id)
    return {row.id: row.purpose for row in await session.execute(select(_TABLE.c.id, _TABLE.c.purpose).where(*hers))}


def _newest_first() -> Select[Any]:
    return select(_TABLE).order_by(_TABLE.c.offered_at.desc(), _TABLE.c.id.desc())


async def _all(session: AsyncSession, statement: Select[Any]) -> list[Machtiging]:
    return [machtiging_of_row(row) for row in await session.execute(statement)]
