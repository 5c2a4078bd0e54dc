"""Look up agencies and their diensten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, Table, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.agencies.tables import Agency, Dienst

_AGENCY: Table = Agency.__table__  # type: ignore[attr-defined]
_DIENST: Table = Dienst.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class DienstView:
    """A dienst, with what its agency declared about its post."""

    oin: str
    code: str
    name: str
    theme: Theme
    sensitivity: Sensitivity

    @property
    def key(self) -> str:
        """As the scope of a machtiging writes it: "oin/code"."""
        return f"{self.oin}/{self.code}"


@dataclass(frozen=True, slots=True)
class AgencyView:
    """An active agency and its diensten, ordered by name."""

    oin: str
    name: str
    diensten: tuple[DienstView, ...]


async def dienst_of(session: AsyncSession, oin: str, code: str) -> DienstView | None:
    """The dienst under which this agency may send now, or None: unknown dienst, or agency unknown or not active."""
    row = (await session.execute(_diensten().where(_DIENST.c.oin == oin, _DIENST.c.code == code))).one_or_none()
    return None if row is None else _view(row)


async def all_agencies(session: AsyncSession) -> list[AgencyView]:
    """Every active agency, by name."""
    return await _agencies(session, _active())


async def agency(session: AsyncSession, oin: str) -> AgencyView | None:
    """The active agency with this OIN, or None."""
    found = await _agencies(session, _active().where(_AGENCY.c.oin == oin))
    return found[0] if found else None


def _active() -> Select[Any]:
    return select(_AGENCY.c.oin, _AGENCY.c.name).where(_AGENCY.c.active).order_by(_AGENCY.c.name, _AGENCY.c.oin)


def _diensten() -> Select[Any]:
    joined = _DIENST.join(_AGENCY, _AGENCY.c.oin == _DIENST.c.oin)
    return select(_DIENST).select_from(joined).where(_AGENCY.c.active).order_by(_DIENST.c.name, _DIENST.c.code)


async def _agencies(session: AsyncSession, which: Select[Any]) -> list[AgencyView]:
    rows = (await session.execute(which)).all()
    diensten = await session.execute(_diensten().where(_DIENST.c.oin.in_([row.oin for row in rows])))
    views = [_view(row) for row in diensten]
    return [AgencyView(row.oin, row.name, tuple(view for view in views if view.oin == row.oin)) for row in rows]


def _view(row: Row[Any]) -> DienstView:
    return DienstView(row.oin, row.code, row.name, Theme(row.theme), Sensitivity(row.sensitivity))
