"""Let a colleague stand in for an absent employee."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct
from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.assignments.journal_lines import AssignmentAct, journal_refused_call
from machtiging.delegation.assignments.queries import load_present_employee, lock_employee_of_login
from machtiging.delegation.assignments.rules import (
    ActingLeader,
    EmployeeLogin,
    require_leading_role,
    require_recognition,
)
from machtiging.delegation.assignments.stand_in_links import (
    count_waiting_links,
    has_link_that_counts,
    link_assignments_of_absent,
    notify_replacement,
)
from machtiging.delegation.authority.holders import load_colleague
from machtiging.delegation.authority.standings import EmployeeStanding
from machtiging.delegation.authority.stop_reasons import StopCode, employee_refusal
from machtiging.delegation.stand_ins.journal_lines import journal_stand_in
from machtiging.delegation.stand_ins.rules import StandInRequest, build_period
from machtiging.delegation.waiting_clients.locks import lock_readers_of_login
from machtiging.kernel.clock import last_day_before, to_dutch_date
from machtiging.kernel.errors import Conflict, NotAllowed, NotFound
from machtiging.kernel.ids import uuid7
from machtiging.kernel.period import Period
from machtiging.organisations.rules import require_minimum_level
from machtiging.organisations.tables import SEALED_STAND_IN, StandIn
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import seal_row

_STAND_IN = table_of(StandIn)


class CreatedStandIn(NamedTuple):
    """A stand-in, and the number of clients that were linked to it now. None for one that had them all already.

    `waiting`: how many of its clients wait for a second person.
    """

    id: UUID
    clients: int | None
    waiting: int = 0


async def create_stand_in(
    session: AsyncSession, keyring: KeyRing, login: EmployeeLogin, request: StandInRequest, *, at: datetime
) -> CreatedStandIn:
    """Let the replacement see what the absent employee sees, for these days. The same request again gives the same.

    It links the clients that have no link any more: a second person refused it, or let it lapse. The replacement is
    told when the first client counts. A refusal is journalled. Raises InvalidInput as `build_period`, NotFound
    `medewerker_onbekend`, NotAllowed as `assign_machtigingen` or with the code of the employee, Conflict
    `vervanging_van_uzelf`, `vervanging_overlapt` or `vervanging_van_vervanger`.
    """
    act = AssignmentAct(JournalAct.VERVANGING_GEMAAKT, login.person_id, at)
    await lock_readers_of_login(session, login.kvk, exclusive=True)
    await lock_employee_of_login(session, login)
    async with journal_refused_call(session, act):
        leader = await load_present_employee(session, login, at=at)
    act = replace(act, leader=leader)
    async with journal_refused_call(session, act):
        require_leading_role(leader.employee)
        require_recognition(leader.organisation)
        require_minimum_level(leader.organisation.ceiling.minimum_level, login.assurance)
        row = await _find_same(session, leader, request, at)
        is_new = row is None
        period = build_period(request, at) if row is None else Period(row.starts_at, row.ends_at)
        absent, replacement = await _require_colleagues(session, leader, request, at)
        if is_new:
            await _require_no_overlap(session, request, period)
    if row is None:
        row = await _insert_stand_in(session, leader, request, period)
        await journal_stand_in(session, act, row)
    was_told = not is_new and await has_link_that_counts(session, row.id)
    links = await link_assignments_of_absent(session, keyring, act, row, replacement, login.assurance)
    if not was_told and (links.total > links.waiting or (is_new and links.total == 0)):
        await notify_replacement(session, leader.organisation.name, (absent, replacement), row, at=at)
    clients = links.total if is_new or links.total else None
    return CreatedStandIn(row.id, clients, await count_waiting_links(session, row.id))


async def _require_colleagues(
    session: AsyncSession, leader: ActingLeader, request: StandInRequest, at: datetime
) -> tuple[EmployeeStanding, EmployeeStanding]:
    """Require two colleagues: an absent one who has not left, and one who may read."""
    if request.absent_id == request.replacement_id:
        raise Conflict("vervanging_van_uzelf")
    own_id = leader.organisation.id
    absent = await load_colleague(session, own_id, request.absent_id, at=at)
    replacement = await load_colleague(session, own_id, request.replacement_id, at=at)
    if absent is None or replacement is None:
        raise NotFound("medewerker_onbekend")
    if (code := employee_refusal(absent, at)) == StopCode.EMPLOYEE_DEPARTED:
        raise NotAllowed(code, message=f"{code}.assignment")
    if (code := employee_refusal(replacement, at)) is not None:
        raise NotAllowed(code, message=f"{code}.assignment")
    if absent.person_id is not None and absent.person_id == replacement.person_id:
        raise Conflict("vervanging_van_uzelf")
    return absent, replacement


async def _find_same(
    session: AsyncSession, leader: ActingLeader, request: StandInRequest, at: datetime
) -> Row[Any] | None:
    """Find the open stand-in of these two colleagues on these days. It may have begun. Not a forged one."""
    both = (_STAND_IN.c.absent_employee_id == request.absent_id, _STAND_IN.c.replacement_id == request.replacement_id)
    mine = (_STAND_IN.c.organisation_id == leader.organisation.id, *both)
    open_ones = select(_STAND_IN).where(*mine, _STAND_IN.c.ended_at.is_(None), _STAND_IN.c.ends_at > at)
    for row in (await session.execute(open_ones)).all():
        if _has_days(row, request) and await authenticate_row(session, SEALED_STAND_IN, row, at=at):
            return row
    return None


async def _require_no_overlap(session: AsyncSession, request: StandInRequest, period: Period) -> None:
    """Require that no other stand-in of these colleagues stands in the way. Raises Conflict."""
    both = (request.absent_id, request.replacement_id)
    touching = or_(
        _STAND_IN.c.absent_employee_id.in_(both),
        _STAND_IN.c.replacement_id == request.absent_id,
    )
    open_ones = (_STAND_IN.c.ended_at.is_(None), _STAND_IN.c.starts_at < period.ends_at)
    overlapping = select(_STAND_IN.c.absent_employee_id).where(touching, *open_ones)
    absent_id = await session.scalar(overlapping.where(_STAND_IN.c.ends_at > period.starts_at).limit(1))
    if absent_id is not None:
        raise Conflict("vervanging_overlapt" if absent_id == request.absent_id else "vervanging_van_vervanger")


def _has_days(row: Row[Any], request: StandInRequest) -> bool:
    days = (to_dutch_date(row.starts_at), last_day_before(row.ends_at))
    return days == (request.first_day, request.last_day)


async def _insert_stand_in(
    session: AsyncSession, leader: ActingLeader, request: StandInRequest, period: Period
) -> Row[Any]:
    values = {
        "id": uuid7(),
        "organisation_id": leader.organisation.id,
        "absent_employee_id": request.absent_id,
        "replacement_id": request.replacement_id,
        "starts_at": period.starts_at,
        "ends_at": period.ends_at,
        "created_by": leader.employee.id,
    }
    inserting = insert(_STAND_IN).values(seal_row(session, SEALED_STAND_IN, values))
    return (await session.execute(inserting.returning(*_STAND_IN.c))).one()
