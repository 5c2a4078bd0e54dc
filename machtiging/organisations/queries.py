"""Load organisations, recognitions and employees. A row whose MAC fails is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Row, Select, Text, and_, any_, cast, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.people import find_same_person
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import ROW_INVALID, NotAllowed, NotFound
from machtiging.kernel.ids import PersonId
from machtiging.organisations.rules import Ceiling, EmployeeState, OrganisationNumbers, RecognitionStatus
from machtiging.organisations.tables import (
    SEALED_EMPLOYEE,
    SEALED_ORGANISATION,
    SEALED_RECOGNITION,
    Employee,
    Organisation,
    Recognition,
)
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import SealedTable

ORGANISATION, RECOGNITION, EMPLOYEE = table_of(Organisation), table_of(Recognition), table_of(Employee)
MAX_PAGE_SIZE = 200
# The private detail of a NotFound: it exists, and is of another organisation. Only the journal has it.
OF_OTHERS = "niet_van_u"


async def lock_organisation(session: AsyncSession, organisation_id: UUID, *, at: datetime) -> Row[Any]:
    """Load an organisation and lock it against other acts.

    Raises NotFound `organisatie_onbekend` or NotAllowed `rij_ongeldig`.
    """
    mine = select(ORGANISATION).where(ORGANISATION.c.id == organisation_id).with_for_update(key_share=True)
    row = (await session.execute(mine)).one_or_none()
    if row is None:
        raise NotFound("organisatie_onbekend")
    return await _require_authentic(session, SEALED_ORGANISATION, row, at)


def build_number_condition(numbers: OrganisationNumbers) -> ColumnElement[bool]:
    """Build the condition that an organisation has one of these numbers. See the unique indexes."""
    columns = ORGANISATION.c
    conditions: list[ColumnElement[bool]] = []
    if numbers.kvk is not None:
        conditions.append((columns.kvk == numbers.kvk) & columns.vestiging.is_not_distinct_from(numbers.vestiging))
    if numbers.rsin is not None and numbers.vestiging is None:
        conditions.append((columns.rsin == numbers.rsin) & columns.vestiging.is_(None))
    if numbers.oin is not None:
        conditions.append(columns.oin == numbers.oin)
    return or_(*conditions)


async def find_organisation_by_number(
    session: AsyncSession, numbers: OrganisationNumbers, *, at: datetime
) -> UUID | None:
    """Find the organisation with this one number. Raises NotAllowed `rij_ongeldig`."""
    row = (await session.execute(select(ORGANISATION).where(build_number_condition(numbers)))).one_or_none()
    if row is None:
        return None
    found: UUID = (await _require_authentic(session, SEALED_ORGANISATION, row, at)).id
    return found


async def find_ids_by_kvk(session: AsyncSession, kvk_numbers: Collection[str]) -> dict[str, frozenset[UUID]]:
    """Find the organisations with these KvK numbers in one statement, each with all its vestigingen.

    An unknown number, or one of a forged row, is left out.
    """
    wanted = any_(literal(sorted(kvk_numbers), ARRAY(Text)))
    found: dict[str, set[UUID]] = {}
    for row in (await session.execute(select(ORGANISATION).where(ORGANISATION.c.kvk == wanted))).all():
        if await authenticate_row(session, SEALED_ORGANISATION, row):
            found.setdefault(row.kvk, set()).add(row.id)
    return {kvk: frozenset(ids) for kvk, ids in found.items()}


async def find_current_status(
    session: AsyncSession, organisation: Row[Any], *, at: datetime
) -> RecognitionStatus | None:
    """Find the status of the current recognition; None if none was ever requested. Raises NotAllowed `rij_ongeldig`."""
    if organisation.recognition_number is None:
        return None
    mine = _select_recognition(organisation.id, organisation.recognition_number)
    row = await _require_authentic(session, SEALED_RECOGNITION, (await session.execute(mine)).one(), at)
    return RecognitionStatus(row.status)


async def lock_recognition(session: AsyncSession, organisation_id: UUID, number: int, *, at: datetime) -> Row[Any]:
    """Load a recognition FOR UPDATE. Raises NotFound `voorstel_onbekend` or NotAllowed `rij_ongeldig`."""
    row = (await session.execute(_select_recognition(organisation_id, number).with_for_update())).one_or_none()
    if row is None:
        raise NotFound("voorstel_onbekend")
    return await _require_authentic(session, SEALED_RECOGNITION, row, at)


def _select_recognition(organisation_id: UUID, number: int) -> Select[Any]:
    return select(RECOGNITION).where(RECOGNITION.c.organisation_id == organisation_id, RECOGNITION.c.number == number)


async def find_newest_recognition(session: AsyncSession, organisation_id: UUID) -> Row[Any] | None:
    """Find the recognition with the highest number: the open proposal, if there is one."""
    mine = select(RECOGNITION).where(RECOGNITION.c.organisation_id == organisation_id)
    return (await session.execute(mine.order_by(RECOGNITION.c.number.desc()).limit(1))).one_or_none()


async def lock_employee(session: AsyncSession, employee_id: UUID, organisation_id: UUID, *, at: datetime) -> Row[Any]:
    """Load an employee of this organisation FOR UPDATE. Lock the organisation first.

    Raises NotFound `medewerker_onbekend` or NotAllowed `rij_ongeldig`.
    """
    mine = (EMPLOYEE.c.id == employee_id, EMPLOYEE.c.organisation_id == organisation_id)
    row = (await session.execute(select(EMPLOYEE).where(*mine).with_for_update(key_share=True))).one_or_none()
    if row is None:
        works_elsewhere = await find_organisation_of_employee(session, employee_id) is not None
        raise NotFound("medewerker_onbekend", private=OF_OTHERS if works_elsewhere else "")
    return await _require_authentic(session, SEALED_EMPLOYEE, row, at)


async def find_kvk(session: AsyncSession, organisation_id: UUID) -> str | None:
    """Find the KvK number of an organisation. Verifies no MAC."""
    kvk: str | None = await session.scalar(select(ORGANISATION.c.kvk).where(ORGANISATION.c.id == organisation_id))
    return kvk


async def find_oin(session: AsyncSession, organisation_id: UUID) -> str | None:
    """Find the OIN of an organisation. Verifies no MAC."""
    oin: str | None = await session.scalar(select(ORGANISATION.c.oin).where(ORGANISATION.c.id == organisation_id))
    return oin


async def find_organisation_of_employee(session: AsyncSession, employee_id: UUID) -> UUID | None:
    """Find the organisation of an employee, or None."""
    found: UUID | None = await session.scalar(select(EMPLOYEE.c.organisation_id).where(EMPLOYEE.c.id == employee_id))
    return found


async def find_employee_of_login(
    session: AsyncSession, person_id: PersonId, kvk: str | None, *, at: datetime
) -> Row[Any] | None:
    """Find this person's employee row in the organisation with this KvK number.

    Its columns, and those of the organisation with prefix `o_`. Rows whose MAC fails are skipped. Of several
    vestigingen the first counts, as in `load_employee_authority`.
    """
    mine = (
        ORGANISATION.c.kvk == kvk,
        EMPLOYEE.c.person_id == person_id,
        EMPLOYEE.c.state != EmployeeState.DEPARTED.value,
    )
    joined = EMPLOYEE.join(ORGANISATION, EMPLOYEE.c.organisation_id == ORGANISATION.c.id)
    query = select(*EMPLOYEE.c, *(column.label(f"o_{column.name}") for column in ORGANISATION.c)).select_from(joined)
    ordered = query.where(*mine).order_by(ORGANISATION.c.vestiging.nulls_first(), EMPLOYEE.c.id)
    for row in (await session.execute(ordered)).all():
        employed = await authenticate_row(session, SEALED_EMPLOYEE, row, at=at)
        if employed and await authenticate_row(session, SEALED_ORGANISATION, row, "o_", at=at):
            return row
    return None


async def load_organisation_names(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, str]:
    """Load the names of these organisations in one statement, by id."""
    if not ids:
        return {}
    found = await session.execute(select(ORGANISATION.c.id, ORGANISATION.c.name).where(ORGANISATION.c.id.in_(ids)))
    return {row.id: row.name for row in found}


def select_organisation_names(ids: Collection[UUID]) -> Select[Any]:
    """Select `key`, as text, and `name` of these organisations."""
    return select(cast(ORGANISATION.c.id, Text).label("key"), ORGANISATION.c.name.label("name")).where(
        ORGANISATION.c.id.in_(ids)
    )


async def load_present_employees(
    session: AsyncSession, organisation_id: UUID, *, at: datetime, after: UUID | None = None, limit: int | None = None
) -> list[Row[Any]]:
    """Load the employees who have not left, in order of their id. Rows whose MAC fails are left out."""
    present = (EMPLOYEE.c.organisation_id == organisation_id, EMPLOYEE.c.state != EmployeeState.DEPARTED.value)
    query = select(EMPLOYEE).where(*present).order_by(EMPLOYEE.c.id).limit(limit)
    if after is not None:
        query = query.where(EMPLOYEE.c.id > after)
    rows = (await session.execute(query)).all()
    return [row for row in rows if await authenticate_row(session, SEALED_EMPLOYEE, row, at=at)]


async def load_departed_since(session: AsyncSession, organisation_id: UUID, since: datetime) -> list[Row[Any]]:
    """Load the employees who left at or after an instant. They only take away, so a changed row counts too."""
    departed = (EMPLOYEE.c.organisation_id == organisation_id, EMPLOYEE.c.ends_at >= since)
    return list((await session.execute(select(EMPLOYEE).where(*departed))).all())


async def find_employee_of_person(
    session: AsyncSession, keyring: KeyRing, person_id: PersonId, rows: Iterable[Row[Any]]
) -> Row[Any] | None:
    """Find the employee who is this person, by this login or another. Raises NotAllowed `rij_ongeldig`."""
    by_person = {PersonId(row.person_id): row for row in rows if row.person_id is not None}
    same = await find_same_person(session, keyring, person_id, by_person)
    return None if same is None else by_person[same]


async def works_or_left_since(
    session: AsyncSession,
    keyring: KeyRing,
    person_id: PersonId,
    organisation_id: UUID,
    since: datetime,
    *,
    at: datetime,
) -> bool:
    """Return True if this person works there or left since then, under any login.

    True also if a forged person row makes that uncertain: a login goes on, and gives no role.
    """
    present = await load_present_employees(session, organisation_id, at=at)
    departed = await load_departed_since(session, organisation_id, since)
    try:
        return await find_employee_of_person(session, keyring, person_id, [*present, *departed]) is not None
    except NotAllowed:
        return True


async def _require_authentic(session: AsyncSession, sealed: SealedTable, row: Row[Any], at: datetime) -> Row[Any]:
    if not await authenticate_row(session, sealed, row, at=at):
        raise NotAllowed(ROW_INVALID)
    return row


def build_ceiling(row: Row[Any]) -> Ceiling:
    """Build the ceiling of an organisation row."""
    themes, afzenders = row.ceiling_themes, row.ceiling_afzenders
    return Ceiling(
        themes=None if themes is None else frozenset(map(Theme, themes)),
        afzenders=None if afzenders is None else frozenset(afzenders),
        sensitivity=Sensitivity(row.ceiling_sensitivity),
        days=row.ceiling_days,
        minimum_level=Assurance(row.minimum_level),
    )


@dataclass(frozen=True, slots=True)
class ProposalView:
    """An open proposal: its number, the proposed status, its ground and its proposer."""

    number: int
    status: RecognitionStatus
    ground: str
    decision_reference: str
    proposed_by: UUID | None
    proposed_at: datetime


@dataclass(frozen=True, slots=True)
class OrganisationView:
    """An organisation as an operator sees it. `authentic`: false if the MAC of a row fails."""

    id: UUID
    name: str
    kind: str
    kvk: str | None
    vestiging: str | None
    rsin: str | None
    oin: str | None
    ceiling: Ceiling
    epoch: int
    status: RecognitionStatus | None
    proposal: ProposalView | None
    authentic: bool


async def list_organisations(
    session: AsyncSession,
    *,
    at: datetime,
    status: RecognitionStatus | None = None,
    after: UUID | None = None,
    limit: int = MAX_PAGE_SIZE,
) -> list[OrganisationView]:
    """List organisations in order of their id (keyset: `after`), also those that are not authentic."""
    current = (ORGANISATION.c.id == RECOGNITION.c.organisation_id) & (
        ORGANISATION.c.recognition_number == RECOGNITION.c.number
    )
    query = select(ORGANISATION).join_from(ORGANISATION, RECOGNITION, current, isouter=True)
    if status is not None:
        query = query.where(RECOGNITION.c.status == status.value)
    if after is not None:
        query = query.where(ORGANISATION.c.id > after)
    rows = (await session.execute(query.order_by(ORGANISATION.c.id).limit(min(limit, MAX_PAGE_SIZE + 1)))).all()
    return await build_views(session, rows, at)


async def load_organisation_view(session: AsyncSession, organisation_id: UUID, *, at: datetime) -> OrganisationView:
    """Load one organisation as an operator sees it. Raises NotFound `organisatie_onbekend`."""
    rows = (await session.execute(select(ORGANISATION).where(ORGANISATION.c.id == organisation_id))).all()
    if not rows:
        raise NotFound("organisatie_onbekend")
    return (await build_views(session, rows, at))[0]


async def build_views(session: AsyncSession, rows: Sequence[Row[Any]], at: datetime) -> list[OrganisationView]:
    """Build the views of these organisation rows, in one statement more."""
    mine = RECOGNITION.c.organisation_id.in_([row.id for row in rows])
    numbers = {(row.id, row.recognition_number) for row in rows}
    is_current = tuple_(RECOGNITION.c.organisation_id, RECOGNITION.c.number).in_(numbers)
    is_open = and_(RECOGNITION.c.confirmed_at.is_(None), RECOGNITION.c.dropped_at.is_(None))
    found = (await session.execute(select(RECOGNITION).where(mine, or_(is_current, is_open)))).all()
    current = {one.organisation_id: one for one in found if (one.organisation_id, one.number) in numbers}
    open_ = {one.organisation_id: one for one in found if one.confirmed_at is None and one.dropped_at is None}
    return [await _build_view(session, row, current.get(row.id), open_.get(row.id), at) for row in rows]


async def _build_view(
    session: AsyncSession, row: Row[Any], current: Row[Any] | None, proposal: Row[Any] | None, at: datetime
) -> OrganisationView:
    sealed = [(SEALED_ORGANISATION, row)] + [
        (SEALED_RECOGNITION, one) for one in (current, proposal) if one is not None
    ]
    verdicts = [await authenticate_row(session, table, one, at=at) for table, one in sealed]
    open_view = None
    if proposal is not None:
        open_view = ProposalView(
            proposal.number,
            RecognitionStatus(proposal.status),
            proposal.ground,
            proposal.decision_reference,
            proposal.proposed_by,
            proposal.proposed_at,
        )
    return OrganisationView(
        id=row.id,
        name=row.name,
        kind=row.kind,
        kvk=row.kvk,
        vestiging=row.vestiging,
        rsin=row.rsin,
        oin=row.oin,
        ceiling=build_ceiling(row),
        epoch=row.epoch,
        status=None if current is None else RecognitionStatus(current.status),
        proposal=open_view,
        authentic=all(verdicts),
    )
