"""Links of a stand-in: one under each assignment of the absent colleague.

Such a link gives at most what the assignment above it gives now, and nothing outside the period of the stand-in.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct
from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.assignments.insertion import (
    AssignmentKind,
    InsertedAssignment,
    NewAssignment,
    insert_assignment,
)
from machtiging.delegation.assignments.journal_lines import AssignmentAct, record_assignment
from machtiging.delegation.authority.holders import load_colleague
from machtiging.delegation.authority.queries import load_authorities, load_authority
from machtiging.delegation.authority.rules import Authority, build_authority
from machtiging.delegation.authority.standings import EmployeeStanding, StandInStanding
from machtiging.delegation.authority.stop_reasons import StopCode
from machtiging.delegation.businesses.giver_side import is_on_giver_side
from machtiging.delegation.queries import is_current_agreement, machtiging_table
from machtiging.delegation.rules import Machtiging, MachtigingState
from machtiging.delegation.tables import AgreementRow
from machtiging.delegation.transition import notification_facts
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.clock import last_day_before, to_dutch_date
from machtiging.kernel.ids import MachtigingId, uuid7
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notification
from machtiging.organisations.tables import SEALED_STAND_IN, StandIn
from machtiging.storage.columns import table_of

_LINK, _STAND_IN, _AGREEMENT = machtiging_table(), table_of(StandIn), table_of(AgreementRow)
_ABOVE = _LINK.alias("above_absent")
# Of these the replacement is given no link. Every other stop may pass, and is decided at each reading.
_NEVER_READS = frozenset({StopCode.EMPLOYEE_NOT_AGREED, StopCode.OWN_BOX})


class LinkCount(NamedTuple):
    """The number of new links, and how many of these wait for a second person."""

    total: int
    waiting: int


async def link_assignment(
    session: AsyncSession,
    keyring: KeyRing,
    act: AssignmentAct,
    assignment: Machtiging,
    assurance: Assurance,
) -> None:
    """Link the stand-ins of the employee who has just got this assignment."""
    absent = (_STAND_IN.c.absent_employee_id == assignment.employee_id, _STAND_IN.c.ended_at.is_(None))
    rows = (await session.execute(select(_STAND_IN).where(*absent, _STAND_IN.c.ends_at > act.at))).all()
    authority = await load_authority(session, assignment.id, at=act.at) if rows else None
    for row in rows:
        if authority is not None and await authenticate_row(session, SEALED_STAND_IN, row, at=act.at):
            replacement = await load_colleague(session, row.organisation_id, row.replacement_id, at=act.at)
            if replacement is not None:
                await link_replacement(session, keyring, act, authority, row, replacement, assurance)


async def link_assignments_of_absent(
    session: AsyncSession,
    keyring: KeyRing,
    act: AssignmentAct,
    row: Row[Any],
    replacement: EmployeeStanding,
    assurance: Assurance,
) -> LinkCount:
    """Link a stand-in under every assignment of the absent colleague that has no such link."""
    live = (_LINK.c.employee_id == row.absent_employee_id, _LINK.c.state != MachtigingState.ENDED.value)
    direct = select(_LINK.c.id).join(_ABOVE, and_(_ABOVE.c.id == _LINK.c.parent_id, _ABOVE.c.parent_id.is_(None)))
    ids = [*await session.scalars(direct.where(*live))]
    total = waiting = 0
    for authority in sorted(await load_authorities(session, _LINK.c.id.in_(ids), at=act.at), key=_machtiging_id):
        inserted = await link_replacement(session, keyring, act, authority, row, replacement, assurance)
        total += inserted is not None
        waiting += inserted is not None and inserted.is_proposed
    return LinkCount(total, waiting)


def _machtiging_id(authority: Authority) -> UUID:
    return authority.machtiging_id


async def link_replacement(
    session: AsyncSession,
    keyring: KeyRing,
    act: AssignmentAct,
    authority: Authority,
    row: Row[Any],
    replacement: EmployeeStanding,
    assurance: Assurance,
) -> InsertedAssignment | None:
    """Insert the link of a stand-in under one assignment, and tell the client.

    The client is told only of one that counts. None if there is none to make: what is over or forged, a client who
    excluded the replacement or is that person, and a client whom the replacement reads already.
    """
    leader = act.leader
    if leader is None or not await _may_read(session, keyring, authority, row, replacement, act.at):
        return None
    values = NewAssignment(
        *(replacement.id, leader.employee.id, leader.person_id, assurance),
        kind=AssignmentKind.STAND_IN,
        stand_in_id=row.id,
    )
    inserted = await insert_assignment(session, authority.leaf, values, at=act.at)
    kind = JournalAct.TOEWIJZING_VOORGESTELD if inserted.is_proposed else JournalAct.TOEWIJZING_GEMAAKT
    await record_assignment(session, replace(act, act=kind), "vervanging", inserted.machtiging, inserted.rows)
    if not inserted.is_proposed:
        await notify_of_stand_in(session, act, authority, inserted.machtiging, replacement, row)
    return inserted


async def notify_of_stand_in(
    session: AsyncSession,
    act: AssignmentAct,
    authority: Authority,
    machtiging: Machtiging,
    replacement: EmployeeStanding,
    row: Row[Any],
) -> None:
    """Tell the client who stands in, and on which days."""
    facts = notification_facts(machtiging, replacement.person_id) | describe_days(row)
    if act.leader is not None:
        facts["organisation"] = act.leader.organisation.name
    await enqueue_notification(session, authority.vertegenwoordigde_id, NotificationKind.VERVANGING, facts, at=act.at)


async def notify_replacement(
    session: AsyncSession,
    organisation_name: str,
    colleagues: tuple[EmployeeStanding | None, EmployeeStanding],
    row: Row[Any],
    *,
    at: datetime,
) -> None:
    """Tell the replacement. The name in the mail is that of the absent colleague, who comes first in `colleagues`."""
    absent, replacement = colleagues
    facts = describe_days(row) | {"organisation": organisation_name}
    if absent is not None and absent.person_id is not None:
        facts["helper_id"] = str(absent.person_id)
    await enqueue_notification(session, replacement.person_id, NotificationKind.VERVANGING_DOOR_U, facts, at=at)


async def has_link_that_counts(
    session: AsyncSession, stand_in_id: UUID, *, other_than: MachtigingId | None = None
) -> bool:
    """Return True if a link of this stand-in is or was more than a proposal."""
    counts = or_(~_AGREEMENT.c.needs_confirmation, _AGREEMENT.c.confirmed_by.is_not(None))
    joined = _LINK.join(_AGREEMENT, is_current_agreement(_LINK, _AGREEMENT))
    mine = (_LINK.c.stand_in_id == stand_in_id, _LINK.c.id.is_distinct_from(other_than))
    return await session.scalar(select(_LINK.c.id).select_from(joined).where(*mine, counts).limit(1)) is not None


async def count_waiting_links(session: AsyncSession, stand_in_id: UUID) -> int:
    """Count the live links of this stand-in that wait for a second person."""
    joined = _LINK.join(_AGREEMENT, is_current_agreement(_LINK, _AGREEMENT))
    live = (_LINK.c.stand_in_id == stand_in_id, _LINK.c.state != MachtigingState.ENDED.value)
    waits = (_AGREEMENT.c.needs_confirmation, _AGREEMENT.c.confirmed_by.is_(None))
    return await session.scalar(select(func.count()).select_from(joined).where(*live, *waits)) or 0


async def _may_read(
    session: AsyncSession,
    keyring: KeyRing,
    authority: Authority,
    row: Row[Any],
    replacement: EmployeeStanding,
    at: datetime,
) -> bool:
    if not authority.is_authentic or authority.has_ended or authority.ends_at <= at:
        return False
    if _find_stop(authority, row, replacement, at) in _NEVER_READS:
        return False
    root_id = authority.root.id
    mine = (_LINK.c.employee_id == replacement.id, _LINK.c.state != MachtigingState.ENDED.value)
    same = and_(_LINK.c.parent_id == authority.leaf.id, _LINK.c.stand_in_id == row.id)
    if await session.scalar(select(_LINK.c.id).where(*mine, or_(_LINK.c.parent_id == root_id, same)).limit(1)):
        return False
    person_id = replacement.person_id
    return person_id is None or not await is_on_giver_side(session, keyring, authority, person_id)


def _find_stop(authority: Authority, row: Row[Any], replacement: EmployeeStanding, at: datetime) -> str | None:
    """Return the code that forbids the replacement to read; None if there is none."""
    link = replace(
        authority.leaf,
        id=MachtigingId(uuid7()),
        parent_id=authority.leaf.id,
        employee_id=replacement.id,
        stand_in_id=row.id,
    )
    standing = StandInStanding(row.absent_employee_id, row.replacement_id, row.starts_at, row.ends_at, row.ended_at)
    chain = build_authority(
        (*authority.links, link),
        authority.organisation,
        replacement,
        absent_employee=authority.employee,
        stand_in=standing,
    )
    return next((code for code in chain.stop_codes(max(at, row.starts_at)) if code in _NEVER_READS), None)


def describe_days(row: Row[Any]) -> dict[str, str]:
    """Return the first and last day of a stand-in, for a notification."""
    return {
        "begins_on": to_dutch_date(row.starts_at).isoformat(),
        "ends_on": last_day_before(row.ends_at).isoformat(),
    }
