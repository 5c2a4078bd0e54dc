"""Queries on machtigingen, and Core columns to load one inside another statement."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Join, Label, Row, Select, Table, Text, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.machtigingscode import CODE_INDEX_PURPOSE
from machtiging.delegation.rules import Act, Capacity, Channel, EndReason, Machtiging, MachtigingScope, MachtigingState
from machtiging.delegation.tables import AgreementRow, MachtigingRow, Machtigingscode
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.kernel.period import Period
from machtiging.organisations.tables import Employee, StandIn
from machtiging.storage.columns import table_of

_MACHTIGING_TABLE = table_of(MachtigingRow)
_AGREEMENT_TABLE = table_of(AgreementRow)
_CODE_TABLE, _EMPLOYEE = table_of(Machtigingscode), table_of(Employee)
_STAND_IN = table_of(StandIn)


def label_machtiging_columns(machtiging: FromClause, agreement: FromClause, suffix: str = "") -> list[Label[Any]]:
    """Label every column of both tables as `m<suffix>_<name>` and `a<suffix>_<name>`."""
    return [
        *(column.label(f"m{suffix}_{column.key}") for column in machtiging.c),
        *(column.label(f"a{suffix}_{column.key}") for column in agreement.c),
    ]


# Select these from `join_agreement` and pass the row's mapping to `machtiging_from_mapping`.
MACHTIGING_COLUMNS: tuple[Label[Any], ...] = tuple(label_machtiging_columns(_MACHTIGING_TABLE, _AGREEMENT_TABLE))

_CODE_COLUMNS = ("tries_left", "expires_at", "used_at", "used_by", "word_hash")


def machtiging_table() -> Table:
    """Return the table, for a join or `FOR SHARE OF`. Read its rows only with `machtiging_from_mapping`."""
    return _MACHTIGING_TABLE


def select_machtiging(*more_columns: Any) -> Select[Any]:
    """Select machtigingen with their current agreements, for `machtiging_from_mapping`."""
    return select(*MACHTIGING_COLUMNS, *more_columns).select_from(join_agreement())


def join_agreement() -> Join:
    """Join machtigingen with their current agreements."""
    return _MACHTIGING_TABLE.join(_AGREEMENT_TABLE, is_current_agreement(_MACHTIGING_TABLE, _AGREEMENT_TABLE))


def is_current_agreement(machtiging: FromClause, agreement: FromClause) -> ColumnElement[bool]:
    """Return the condition that this is the current agreement. Both may be aliases of their tables."""
    current: ColumnElement[bool] = agreement.c.number == machtiging.c.agreement_number
    return current & (agreement.c.machtiging_id == machtiging.c.id)


def machtiging_from_mapping(mapping: Mapping[Any, Any], suffix: str = "") -> Machtiging:
    """Build the Machtiging from a row with the columns of `label_machtiging_columns`."""
    prefix, agreed = f"m{suffix}_", f"a{suffix}_"
    return Machtiging(
        id=mapping[prefix + "id"],
        vertegenwoordigde_id=mapping[prefix + "vertegenwoordigde_id"],
        gemachtigde_id=mapping[prefix + "gemachtigde_id"],
        parent_id=mapping[prefix + "parent_id"],
        capacity=Capacity(mapping[prefix + "capacity"]),
        purpose=mapping[prefix + "purpose"],
        legal_ground=mapping[prefix + "legal_ground"],
        state=MachtigingState(mapping[prefix + "state"]),
        scope=_scope_from_mapping(mapping, agreed),
        assurance=Assurance(mapping[agreed + "assurance"]),
        accepted_assurance=_convert_optional(Assurance, mapping[prefix + "accepted_assurance"]),
        period=Period(mapping[agreed + "starts_at"], mapping[agreed + "ends_at"]),
        ended_at=mapping[prefix + "ended_at"],
        end_reason=_convert_optional(EndReason, mapping[prefix + "end_reason"]),
        offered_at=mapping[prefix + "offered_at"],
        accepted_at=mapping[prefix + "accepted_at"],
        agreement_number=mapping[prefix + "agreement_number"],
        channel=Channel(mapping[agreed + "channel"]),
        only_employee_id=mapping[agreed + "only_employee_id"],
        excluded_team_ids=frozenset(mapping[agreed + "excluded_team_ids"]),
        cooling_off_until=mapping[agreed + "cooling_off_until"],
        needs_confirmation=mapping[agreed + "needs_confirmation"] and mapping[agreed + "confirmed_by"] is None,
        employee_id=mapping[prefix + "employee_id"],
        team_id=mapping[prefix + "team_id"],
        stand_in_id=mapping[prefix + "stand_in_id"],
        stopped_at=mapping[prefix + "stopped_at"],
        represented_born_on=mapping[agreed + "represented_born_on"],
        offered_to=mapping[prefix + "offered_to"],
    )


def _scope_from_mapping(mapping: Mapping[Any, Any], prefix: str) -> MachtigingScope:
    themes = mapping[prefix + "themes"]
    return MachtigingScope(
        afzenders=_convert_optional(frozenset, mapping[prefix + "afzenders"]),
        diensten=_convert_optional(frozenset, mapping[prefix + "diensten"]),
        themes=None if themes is None else frozenset(map(Theme, themes)),
        excluded_themes=frozenset(map(Theme, mapping[prefix + "excluded_themes"])),
        highest_sensitivity=Sensitivity(mapping[prefix + "highest_sensitivity"]),
        letters_from=mapping[prefix + "letters_from"],
        acts=frozenset(map(Act, mapping[prefix + "acts"])),
        letters=_convert_optional(frozenset, mapping[prefix + "letters"]),
    )


def _convert_optional(kind: Any, value: Any) -> Any:
    return None if value is None else kind(value)


def machtiging_from_row(row: Row[Any]) -> Machtiging:
    """Build the Machtiging from a row of `select_machtiging`."""
    return machtiging_from_mapping(row._mapping)  # noqa: SLF001 (SQLAlchemy's public name for it)


async def load_machtiging(session: AsyncSession, machtiging_id: MachtigingId) -> Machtiging | None:
    """Load the machtiging with this id. The caller checks who may see it."""
    found = await _fetch_machtigingen(session, select_machtiging().where(_MACHTIGING_TABLE.c.id == machtiging_id))
    return found[0] if found else None


def is_party_condition(person_id: PersonId) -> ColumnElement[bool]:
    """Return the condition that this person gave or holds a machtiging, also as an employee."""
    as_employee = select(_EMPLOYEE.c.id).where(_EMPLOYEE.c.person_id == person_id)
    return or_(
        _MACHTIGING_TABLE.c.vertegenwoordigde_id == person_id,
        _MACHTIGING_TABLE.c.gemachtigde_id == person_id,
        _MACHTIGING_TABLE.c.employee_id.in_(as_employee),
    )


async def load_machtiging_of_person(
    session: AsyncSession, machtiging_id: MachtigingId, person_id: PersonId
) -> Machtiging | None:
    """Load the machtiging if this person gave or received it; else None."""
    yours = is_party_condition(person_id)
    found = await _fetch_machtigingen(
        session, select_machtiging().where(_MACHTIGING_TABLE.c.id == machtiging_id, yours)
    )
    return found[0] if found else None


@dataclass(frozen=True, slots=True)
class OpenCode:
    """The unused code of an offer: its id, expiry and tries left."""

    id: UUID
    works_until: datetime
    tries_left: int

    def is_redeemable_at(self, at: datetime) -> bool:
        """Return True if the code can still be redeemed."""
        return at < self.works_until and self.tries_left > 0


async def load_open_code(session: AsyncSession, machtiging_id: MachtigingId) -> OpenCode | None:
    """Load the unused code of this offer; None when it was used.

    The code may have expired. The caller checks who may see it.
    """
    mine = (_CODE_TABLE.c.machtiging_id == machtiging_id, _CODE_TABLE.c.used_at.is_(None))
    row = (
        await session.execute(select(_CODE_TABLE.c.id, _CODE_TABLE.c.expires_at, _CODE_TABLE.c.tries_left).where(*mine))
    ).one_or_none()
    return None if row is None else OpenCode(row.id, row.expires_at, row.tries_left)


@dataclass(frozen=True, slots=True)
class CodeWithOffer:
    """A code as stored, beside the offer that it was made for."""

    code_id: UUID
    tries_left: int
    expires_at: datetime
    used_at: datetime | None
    used_by: UUID | None
    word_hash: bytes | None
    machtiging: Machtiging


async def find_code_for_update(session: AsyncSession, keyring: KeyRing, code: str) -> CodeWithOffer | None:
    """Find the code and its offer by the blind index, and lock its row. None if it is unknown."""
    joined = join_agreement().join(_CODE_TABLE, _MACHTIGING_TABLE.c.id == _CODE_TABLE.c.machtiging_id)
    own = (_CODE_TABLE.c.id, *(_CODE_TABLE.c[name] for name in _CODE_COLUMNS))
    index = keyring.blind_index(CODE_INDEX_PURPOSE, code)
    statement = select(*own, *MACHTIGING_COLUMNS).select_from(joined).where(_CODE_TABLE.c.code_hash == index)
    # The row lock serialises tries on one code by different helpers.
    row = (await session.execute(statement.with_for_update(of=_CODE_TABLE))).one_or_none()
    if row is None:
        return None
    own_values = {name: row._mapping[name] for name in _CODE_COLUMNS}  # noqa: SLF001
    return CodeWithOffer(code_id=row.id, machtiging=machtiging_from_mapping(row._mapping), **own_values)  # noqa: SLF001


async def load_purposes_of_giver(session: AsyncSession, ids: Collection[UUID], person_id: PersonId) -> dict[UUID, str]:
    """Load the purposes of those of these machtigingen that this person gave."""
    if not ids:
        return {}
    hers = (_MACHTIGING_TABLE.c.id.in_(ids), _MACHTIGING_TABLE.c.vertegenwoordigde_id == person_id)
    return {
        row.id: row.purpose
        for row in await session.execute(select(_MACHTIGING_TABLE.c.id, _MACHTIGING_TABLE.c.purpose).where(*hers))
    }


def select_purposes_of_giver(ids: Collection[UUID], person_id: PersonId) -> Select[Any]:
    """Select id and purpose, as text, of those of these machtigingen that this person gave."""
    hers = (_MACHTIGING_TABLE.c.id.in_(ids), _MACHTIGING_TABLE.c.vertegenwoordigde_id == person_id)
    return select(cast(_MACHTIGING_TABLE.c.id, Text).label("key"), _MACHTIGING_TABLE.c.purpose.label("name")).where(
        *hers
    )


def select_replaced_people(ids: Collection[UUID], person_id: PersonId) -> Select[Any]:
    """Select the replacement and absent person of the stand-ins among these machtigingen of a giver.

    The key is the id as text. The two people are one text, with a space between.
    """
    replacement, absent = _EMPLOYEE.alias("replacement"), _EMPLOYEE.alias("replaced")
    hers = (_MACHTIGING_TABLE.c.id.in_(ids), _MACHTIGING_TABLE.c.vertegenwoordigde_id == person_id)
    joined = (
        _MACHTIGING_TABLE.join(_STAND_IN, _STAND_IN.c.id == _MACHTIGING_TABLE.c.stand_in_id)
        .join(replacement, replacement.c.id == _STAND_IN.c.replacement_id)
        .join(absent, absent.c.id == _STAND_IN.c.absent_employee_id)
    )
    people = func.concat_ws(" ", cast(replacement.c.person_id, Text), cast(absent.c.person_id, Text))
    key = cast(_MACHTIGING_TABLE.c.id, Text).label("key")
    return select(key, people.label("name")).select_from(joined).where(*hers)


async def _fetch_machtigingen(session: AsyncSession, statement: Select[Any]) -> list[Machtiging]:
    return [machtiging_from_row(row) for row in await session.execute(statement)]
