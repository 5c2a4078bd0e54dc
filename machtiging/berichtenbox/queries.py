"""Look up letters without opening them. One statement each, the same whether the letter is there, yours or neither."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, Table, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.guard import Target
from machtiging.agencies.names import agency_names
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.berichtenbox.tables import Bericht, Bijlage, ReaderMark
from machtiging.delegation.rules import Envelope
from machtiging.kernel.ids import BerichtId, PersonId

BERICHT: Table = Bericht.__table__  # type: ignore[attr-defined]
BIJLAGE: Table = Bijlage.__table__  # type: ignore[attr-defined]
MARK: Table = ReaderMark.__table__  # type: ignore[attr-defined]
_AGENCY = agency_names()
_NOT_AN_ID = "ongeldig"


@dataclass(frozen=True, slots=True)
class Afzender:
    """Who sent a letter."""

    oin: str
    naam: str


def letters(reader: PersonId, at: datetime, *columns: Any) -> Select[Any]:
    """Letters that are in a box at this instant, with the sender's name and this reader's own mark (`marked_at`)."""
    mark = and_(MARK.c.bericht_id == BERICHT.c.id, MARK.c.person_id == reader)
    joined = BERICHT.join(_AGENCY, _AGENCY.c.oin == BERICHT.c.afzender_oin).outerjoin(MARK, mark)
    chosen = (*columns, _AGENCY.c.name.label("afzender_naam"), MARK.c.first_read_at.label("marked_at"))
    return select(*chosen).select_from(joined).where(BERICHT.c.deleted_at.is_(None), BERICHT.c.published_at <= at)


def count_of_bijlagen() -> Any:
    """How many bijlagen a letter has, as a column."""
    counted = select(func.count()).where(BIJLAGE.c.bericht_id == BERICHT.c.id)
    return counted.correlate(BERICHT).scalar_subquery().label("bijlagen")


async def find_bericht(session: AsyncSession, bericht_id: UUID, reader: PersonId, at: datetime) -> Row[Any] | None:
    """The letter with this id, whoever's it is, still sealed."""
    statement = letters(reader, at, *BERICHT.c).where(BERICHT.c.id == bericht_id)
    found: Row[Any] | None = (await session.execute(statement)).one_or_none()
    return found


async def find_bijlage(
    session: AsyncSession, bericht_id: UUID, bijlage_id: UUID, reader: PersonId, at: datetime
) -> Row[Any] | None:
    """The bijlage with this id if it belongs to this letter, with what is known of the letter; still sealed."""
    own = (BIJLAGE.c.id.label("bijlage_id"), BIJLAGE.c.naam_sealed, BIJLAGE.c.size, BIJLAGE.c.parts)
    statement = letters(reader, at, *BERICHT.c, *own).join(BIJLAGE, BIJLAGE.c.bericht_id == BERICHT.c.id)
    statement = statement.where(BERICHT.c.id == bericht_id, BIJLAGE.c.id == bijlage_id)
    found: Row[Any] | None = (await session.execute(statement)).one_or_none()
    return found


async def bijlagen_of(session: AsyncSession, bericht_id: BerichtId) -> list[Row[Any]]:
    """The bijlagen of a letter in the sender's order, their names still sealed."""
    statement = select(BIJLAGE).where(BIJLAGE.c.bericht_id == bericht_id).order_by(BIJLAGE.c.position)
    return list((await session.execute(statement)).all())


def target_of(row: Row[Any] | None, kind: str, asked: UUID) -> Target:
    """What the guard is asked about; for a letter that was not found, the id that was asked for and nothing more."""
    if row is None:
        # An id that was malformed is not repeated: it could be anything that somebody typed.
        return Target(kind, str(asked) if asked.int else _NOT_AN_ID, None, None, None)
    return Target(kind, str(asked), BerichtId(row.id), PersonId(row.ontvanger_id), envelope_of(row))


def envelope_of(row: Row[Any]) -> Envelope:
    """What is known of a letter without opening it."""
    return Envelope(
        afzender=row.afzender_oin,
        dienst=row.dienst_code,
        theme=Theme(row.theme),
        sensitivity=Sensitivity(row.sensitivity),
        published_at=row.published_at,
    )


def read_by_this_reader(row: Row[Any], reader: PersonId) -> bool:
    """The reader's own mark: the citizen's stands in the letter itself, a helper's beside it."""
    own = row.read_at if row.ontvanger_id == reader else row.marked_at
    return own is not None
