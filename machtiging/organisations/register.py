"""The register of organisations in alphabetical order, with a search by name or number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.organisations.queries import (
    MAX_PAGE_SIZE,
    ORGANISATION,
    RECOGNITION,
    OrganisationView,
    build_views,
)
from machtiging.organisations.rules import RecognitionStatus

_SORT_NAME = func.lower(ORGANISATION.c.name)


@dataclass(frozen=True, slots=True)
class RegisterFilter:
    """A part of the register. `text`: the begin of a word of the name, or a whole number."""

    text: str = ""
    status: RecognitionStatus | None = None
    is_waiting: bool = False


async def search_register(
    session: AsyncSession, wanted: RegisterFilter, *, at: datetime, after: UUID | None = None, limit: int
) -> list[OrganisationView]:
    """List the organisations of this filter by name. `after` is the id of the last one (keyset)."""
    query = select(ORGANISATION).where(*_build_conditions(wanted))
    if after is not None:
        last = select(_SORT_NAME, ORGANISATION.c.id).where(ORGANISATION.c.id == after)
        query = query.where(tuple_(_SORT_NAME, ORGANISATION.c.id) > last.scalar_subquery())
    ordered = query.order_by(_SORT_NAME, ORGANISATION.c.id).limit(min(limit, MAX_PAGE_SIZE + 1))
    return await build_views(session, (await session.execute(ordered)).all(), at)


def _build_conditions(wanted: RegisterFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if text := " ".join(wanted.text.split()):
        numbers = (ORGANISATION.c.kvk, ORGANISATION.c.vestiging, ORGANISATION.c.rsin, ORGANISATION.c.oin)
        # A space before the name, so that its first word is found in the same way as a later one.
        by_name = func.concat(" ", _SORT_NAME).contains(" " + text.lower(), autoescape=True)
        conditions.append(or_(by_name, *(number == text.replace(" ", "") for number in numbers)))
    if wanted.status is not None:
        current = and_(
            RECOGNITION.c.organisation_id == ORGANISATION.c.id,
            RECOGNITION.c.number == ORGANISATION.c.recognition_number,
        )
        conditions.append(select(RECOGNITION.c.number).where(current, RECOGNITION.c.status == wanted.status).exists())
    if wanted.is_waiting:
        conditions.append(_has_open_proposal())
    return conditions


def _has_open_proposal() -> ColumnElement[bool]:
    mine = (
        RECOGNITION.c.organisation_id == ORGANISATION.c.id,
        RECOGNITION.c.confirmed_at.is_(None),
        RECOGNITION.c.dropped_at.is_(None),
    )
    return select(RECOGNITION.c.number).where(*mine).exists()


@dataclass(frozen=True, slots=True)
class RecognitionLine:
    """One decision or proposal about an organisation."""

    number: int
    status: RecognitionStatus
    ground: str
    decision_reference: str
    proposed_at: datetime
    confirmed_at: datetime | None
    dropped_at: datetime | None


async def list_recognitions(session: AsyncSession, organisation_id: UUID) -> list[RecognitionLine]:
    """List every decision and proposal about an organisation, newest first."""
    mine = select(RECOGNITION).where(RECOGNITION.c.organisation_id == organisation_id)
    rows = (await session.execute(mine.order_by(RECOGNITION.c.number.desc()).limit(MAX_PAGE_SIZE))).all()
    return [
        RecognitionLine(
            row.number,
            RecognitionStatus(row.status),
            row.ground,
            row.decision_reference,
            row.proposed_at,
            row.confirmed_at,
            row.dropped_at,
        )
        for row in rows
    ]
