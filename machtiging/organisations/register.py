"""The register of organisations in alphabetical order, with a search by name or number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, any_, func, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.row_authentication import authenticate_row
from machtiging.kernel.ids import PersonId
from machtiging.organisations.queries import (
    EMPLOYEE,
    MAX_PAGE_SIZE,
    ORGANISATION,
    RECOGNITION,
    OrganisationView,
    build_views,
)
from machtiging.organisations.rules import EmployeeRole, EmployeeState, OrganisationKind, RecognitionStatus
from machtiging.organisations.tables import SEALED_EMPLOYEE, SEALED_ORGANISATION, SEALED_RECOGNITION

_SORT_NAME = func.lower(ORGANISATION.c.name)
MAX_FOUND = 20
_LEADING_ROLES = (EmployeeRole.TEAM_LEADER, EmployeeRole.ADMINISTRATOR)
_CURRENT = and_(
    RECOGNITION.c.organisation_id == ORGANISATION.c.id, RECOGNITION.c.number == ORGANISATION.c.recognition_number
)
_RECOGNISED = (
    select(*ORGANISATION.c, *(column.label(f"r_{column.name}") for column in RECOGNITION.c))
    .join_from(ORGANISATION, RECOGNITION, _CURRENT)
    .where(RECOGNITION.c.status == RecognitionStatus.RECOGNISED.value, ORGANISATION.c.kvk.is_not(None))
)


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
        conditions.append(or_(_has_word(text), *(number == text.replace(" ", "") for number in numbers)))
    if wanted.status is not None:
        current = and_(
            RECOGNITION.c.organisation_id == ORGANISATION.c.id,
            RECOGNITION.c.number == ORGANISATION.c.recognition_number,
        )
        conditions.append(select(RECOGNITION.c.number).where(current, RECOGNITION.c.status == wanted.status).exists())
    if wanted.is_waiting:
        conditions.append(_has_open_proposal())
    return conditions


def _has_word(text: str) -> ColumnElement[bool]:
    """Build the condition that a word of the name begins so."""
    # A space before the name, so that its first word is found in the same way as a later one.
    return func.concat(" ", _SORT_NAME).contains(" " + text.lower(), autoescape=True)


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


@dataclass(frozen=True, slots=True)
class RecognisedOrganisation:
    """An organisation that may help citizens now. `recognised_at`: of the current decision."""

    id: UUID
    name: str
    kind: OrganisationKind
    kvk: str
    recognised_at: datetime


async def search_recognised(
    session: AsyncSession, text: str, *, at: datetime, limit: int = MAX_FOUND
) -> list[RecognisedOrganisation]:
    """List recognised organisations by name.

    Those of which a word of the name begins so, or with this KvK number. Rows whose MAC fails are left out.
    """
    query = _RECOGNISED
    if words := " ".join(text.split()):
        query = query.where(or_(_has_word(words), ORGANISATION.c.kvk == words.replace(" ", "")))
    rows = (await session.execute(query.order_by(_SORT_NAME, ORGANISATION.c.id).limit(limit))).all()
    return [_build(row) for row in rows if await _is_authentic(session, row, at)]


async def load_recognised_organisation(
    session: AsyncSession, organisation_id: UUID, *, at: datetime
) -> RecognisedOrganisation | None:
    """Load one recognised organisation; None for any other, and for a row whose MAC fails."""
    row = (await session.execute(_RECOGNISED.where(ORGANISATION.c.id == organisation_id))).one_or_none()
    return _build(row) if row is not None and await _is_authentic(session, row, at) else None


async def load_leader_ids(session: AsyncSession, organisation_id: UUID, *, at: datetime) -> list[PersonId]:
    """Load the people who lead this organisation now, at most 20. Rows whose MAC fails are left out."""
    leading = or_(*(literal(role.value) == any_(EMPLOYEE.c.roles) for role in _LEADING_ROLES))
    mine = (
        EMPLOYEE.c.organisation_id == organisation_id,
        EMPLOYEE.c.state == EmployeeState.ACTIVE.value,
        EMPLOYEE.c.person_id.is_not(None),
    )
    rows = (await session.execute(select(EMPLOYEE).where(*mine, leading).order_by(EMPLOYEE.c.id).limit(20))).all()
    return [row.person_id for row in rows if await authenticate_row(session, SEALED_EMPLOYEE, row, at=at)]


async def _is_authentic(session: AsyncSession, row: Row[Any], at: datetime) -> bool:
    if not await authenticate_row(session, SEALED_ORGANISATION, row, at=at):
        return False
    return await authenticate_row(session, SEALED_RECOGNITION, row, "r_", at=at)


def _build(row: Row[Any]) -> RecognisedOrganisation:
    return RecognisedOrganisation(
        row.id, row.name, OrganisationKind(row.kind), row.kvk, row.r_confirmed_at or row.r_proposed_at
    )
