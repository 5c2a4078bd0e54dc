"""Let a colleague stand in for an absent employee."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.assignments.journal_lines import AssignmentAct, journal_refused_call
from machtiging.delegation.assignments.queries import load_present_employee, lock_employee_of_login
from machtiging.delegation.assignments.rules import (
    ActingLeader,
    EmployeeLogin,
    require_leading_role,
    require_recognition,
)
from machtiging.delegation.assignments.stand_in_links import describe_days, link_assignments_of_absent
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
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notification
from machtiging.organisations.rules import require_minimum_level
from machtiging.organisations.tables import SEALED_STAND_IN, StandIn
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import seal_row

_STAND_IN = table_of(StandIn)


class CreatedStandIn(NamedTuple):
    """A stand-in, and the number of clients that it opens now. None for one that was there already."""

    id: UUID
    clients: int | None


async def create_stand_in(
    session: AsyncSession, keyring: KeyRing, login: EmployeeLogin, request: StandInRequest, *, at: datetime
) -> CreatedStandIn:
    """Let the replacement see what the absent employee sees, for these days. The same request again gives the same.

    A refusal is journalled. Raises InvalidInput as `build_period`, NotFound `medewerker_onbekend`, NotAllowed as
    `assign_machtigingen` or with the code of the employee, Conflict `vervanging_van_uzelf`, `vervanging_overlapt` or
    `vervanging_van_vervanger`.
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
        period = build_period(request, at)
        absent, replacement = await _require_colleagues(session, leader, request, at)
        if (present := await _find_same_or_refuse(session, request, period)) is not None:
            return CreatedStandIn(present, None)
    row = await _insert_stand_in(session, leader, request, period)
    await journal_stand_in(session, act, row)
    count = await link_assignments_of_absent(session, keyring, act, row, replacement, login.assurance)
    await _notify_replacement(session, leader, absent, replacement, row, at)
    return CreatedStandIn(row.id, count)


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


async def _find_same_or_refuse(session: AsyncSession, request: StandInRequest, period: Period) -> UUID | None:
    """Return the stand-in that is the same; None if there is none. Raises Conflict for one that stands in the way."""
    both = (request.absent_id, request.replacement_id)
    touching = or_(
        _STAND_IN.c.absent_employee_id.in_(both),
        _STAND_IN.c.replacement_id == request.absent_id,
    )
    open_ones = (_STAND_IN.c.ended_at.is_(None), _STAND_IN.c.starts_at < period.ends_at)
    overlapping = select(_STAND_IN).where(touching, *open_ones, _STAND_IN.c.ends_at > period.starts_at)
    for row in (await session.execute(overlapping)).all():
        if row.absent_employee_id != request.absent_id:
            raise Conflict("vervanging_van_vervanger")
        if row.replacement_id == request.replacement_id and _has_days(row, request):
            found: UUID = row.id
            return found
        raise Conflict("vervanging_overlapt")
    return None


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


async def _notify_replacement(
    session: AsyncSession,
    leader: ActingLeader,
    absent: EmployeeStanding,
    replacement: EmployeeStanding,
    row: Row[Any],
    at: datetime,
) -> None:
    """Tell the replacement, once. The name in the mail is that of the absent colleague."""
    facts = describe_days(row) | {"organisation": leader.organisation.name}
    if absent.person_id is not None:
        facts["helper_id"] = str(absent.person_id)
    await enqueue_notification(session, replacement.person_id, NotificationKind.VERVANGING_DOOR_U, facts, at=at)
