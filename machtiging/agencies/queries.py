"""Find agencies and their diensten."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.agencies.tables import Agency, Dienst
from machtiging.storage.columns import table_of

_AGENCY = table_of(Agency)
_DIENST = table_of(Dienst)
_SELECT_ACTIVE_DIENSTEN = select(_DIENST).join(_AGENCY, _AGENCY.c.oin == _DIENST.c.oin).where(_AGENCY.c.active)
# The outer join includes agencies without a dienst.
_SELECT_ACTIVE_AGENCIES = (
    select(_AGENCY.c.oin.label("agency_oin"), _AGENCY.c.name.label("agency_name"), _DIENST)
    .join_from(_AGENCY, _DIENST, _AGENCY.c.oin == _DIENST.c.oin, isouter=True)
    .where(_AGENCY.c.active)
    .order_by(_AGENCY.c.name, _AGENCY.c.oin, _DIENST.c.name, _DIENST.c.code)
)


@dataclass(frozen=True, slots=True)
class DienstView:
    """A dienst with its theme and sensitivity."""

    oin: str
    code: str
    name: str
    theme: Theme
    sensitivity: Sensitivity

    @property
    def scope_key(self) -> str:
        """The dienst as written in the scope of a machtiging: "oin/code"."""
        return f"{self.oin}/{self.code}"


@dataclass(frozen=True, slots=True)
class AgencyView:
    """An active agency and its diensten, ordered by name."""

    oin: str
    name: str
    diensten: tuple[DienstView, ...]


async def find_active_dienst(session: AsyncSession, oin: str, code: str) -> DienstView | None:
    """Find a dienst of an active agency. None if the dienst or agency is unknown, or the agency inactive."""
    row = (
        await session.execute(_SELECT_ACTIVE_DIENSTEN.where(_DIENST.c.oin == oin, _DIENST.c.code == code))
    ).one_or_none()
    return None if row is None else _build_dienst_view(row)


async def load_active_agencies(session: AsyncSession) -> list[AgencyView]:
    """Load all active agencies, ordered by name."""
    return _group_by_agency(await session.execute(_SELECT_ACTIVE_AGENCIES))


def select_agency_names() -> Select[Any]:
    """Select `key`, the OIN, and `name` of all active agencies."""
    return select(_AGENCY.c.oin.label("key"), _AGENCY.c.name.label("name")).where(_AGENCY.c.active)


async def find_active_agency(session: AsyncSession, oin: str) -> AgencyView | None:
    """Find the active agency with this OIN, or None."""
    found = _group_by_agency(await session.execute(_SELECT_ACTIVE_AGENCIES.where(_AGENCY.c.oin == oin)))
    return found[0] if found else None


def _group_by_agency(rows: Iterable[Row[Any]]) -> list[AgencyView]:
    together = groupby(rows, key=lambda row: (row.agency_oin, row.agency_name))
    return [
        AgencyView(*agency, tuple(_build_dienst_view(row) for row in its if row.code is not None))
        for agency, its in together
    ]


def _build_dienst_view(row: Row[Any]) -> DienstView:
    return DienstView(row.oin, row.code, row.name, Theme(row.theme), Sensitivity(row.sensitivity))
