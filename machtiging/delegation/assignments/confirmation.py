"""Four eyes: a second person confirms or refuses an assignment that one person made.

It gives nothing until then. After 72 hours it has lapsed: nobody confirms it any more, and the worker ends it. Every
link is confirmed by itself, also that of a stand-in, after the assignment above it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct
from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.assignments.assignees import Assignee, require_members
from machtiging.delegation.assignments.journal_lines import (
    AssignmentAct,
    journal_assignment,
    journal_refused_assignment,
    journal_refused_call,
    journal_team_assignment,
    record_assignment,
)
from machtiging.delegation.assignments.queries import (
    is_assignment_of,
    load_present_employee,
    lock_employee_of_login,
)
from machtiging.delegation.assignments.rules import (
    ActingLeader,
    EmployeeLogin,
    require_call_size,
    require_leading_role,
    require_recognition,
)
from machtiging.delegation.assignments.stand_in_links import (
    has_link_that_counts,
    notify_of_stand_in,
    notify_replacement,
)
from machtiging.delegation.assignments.team_links import (
    MemberLink,
    NewMemberLink,
    SecondPerson,
    Signature,
    collect_rows,
    insert_member_links,
)
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.authority.standings import EmployeeStanding
from machtiging.delegation.authority.stop_reasons import StopCode
from machtiging.delegation.businesses.giver_side import GiverSides
from machtiging.delegation.queries import load_machtiging
from machtiging.delegation.rules import Machtiging, MachtigingAction, MachtigingState, resolve_transition
from machtiging.delegation.tables import (
    SEALED_AGREEMENT,
    SEALED_ASSIGNMENT,
    SEALED_MACHTIGING,
    AgreementRow,
    AssignmentRow,
)
from machtiging.delegation.transition import apply_transition, lock_machtiging
from machtiging.delegation.waiting_clients.items import close_item, lock_waiting_item
from machtiging.delegation.waiting_clients.locks import lock_readers_of_login
from machtiging.kernel.errors import ROW_INVALID, Conflict, NotAllowed, NotFound, Refusal
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.organisations.rules import require_minimum_level
from machtiging.organisations.second_person.comparison import has_lapsed, require_second_person
from machtiging.organisations.second_person.threshold import PROPOSAL_DECIDED, PROPOSAL_LAPSED, PROPOSAL_UNKNOWN
from machtiging.organisations.tables import Employee, StandIn
from machtiging.organisations.teams.queries import find_members_since, require_open_team
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import SealedTable, reseal_changes

_ASSIGNMENT, _AGREEMENT = table_of(AssignmentRow), table_of(AgreementRow)
_EMPLOYEE, _STAND_IN = table_of(Employee), table_of(StandIn)
_Rows = tuple[tuple[SealedTable, Mapping[str, Any]], ...]


@dataclass(frozen=True, slots=True)
class _Decision:
    """The decision of a second person about some proposals."""

    act: AssignmentAct
    leader: ActingLeader
    is_confirmed: bool
    practice: bool
    sides: GiverSides


async def decide_proposals(
    session: AsyncSession,
    keyring: KeyRing,
    login: EmployeeLogin,
    ids: Sequence[MachtigingId],
    *,
    is_confirmed: bool,
    practice: bool,
    at: datetime,
) -> list[MachtigingId | Refusal]:
    """Confirm or refuse each of these proposed assignments. Returns its id or the refusal, in the same order.

    At most 500. Whoever proposed it can refuse it too. Refusing needs no recognition and no level: it gives nothing.
    Each has its own journal line; the client and the employee are told of what is confirmed. Refuses the whole call as
    `assign_machtigingen`.
    """
    kind = JournalAct.TOEWIJZING_BEVESTIGD if is_confirmed else JournalAct.TOEWIJZING_AFGEWEZEN
    act = AssignmentAct(kind, login.person_id, at)
    await lock_readers_of_login(session, login.kvk)
    await lock_employee_of_login(session, login)
    async with journal_refused_call(session, act):
        leader = await load_present_employee(session, login, at=at)
    decision = _Decision(replace(act, leader=leader), leader, is_confirmed, practice, GiverSides(session, keyring))
    async with journal_refused_call(session, decision.act):
        require_call_size(len(ids))
        require_leading_role(leader.employee)
        if is_confirmed:
            require_recognition(leader.organisation)
            require_minimum_level(leader.organisation.ceiling.minimum_level, login.assurance)
    found = {one: await load_authority(session, one, at=at) for one in set(ids)}
    if is_confirmed:
        await decision.sides.load({one.root.id for one in found.values() if one is not None}, [leader.person_id])
    # What is above first, and then in one order, against deadlocks.
    ordered = sorted(range(len(ids)), key=lambda each: (_count_links(found[ids[each]]), ids[each], each))
    results: dict[int, MachtigingId | Refusal] = {}
    for number in ordered:
        results[number] = await _try_decide(session, keyring, decision, ids[number], found[ids[number]])
    return [results[number] for number in range(len(ids))]


def _count_links(authority: Authority | None) -> int:
    return 0 if authority is None else len(authority.links)


async def _try_decide(
    session: AsyncSession,
    keyring: KeyRing,
    decision: _Decision,
    assignment_id: MachtigingId,
    authority: Authority | None,
) -> MachtigingId | Refusal:
    """Decide about one, or journal and return the refusal. Locks only what is of the own organisation."""
    waiting = None
    if authority is not None and await is_assignment_of(session, assignment_id, decision.leader.organisation.id):
        if decision.is_confirmed:  # the item before the machtiging, as the worker does
            waiting = await lock_waiting_item(session, authority.root.id)
        await lock_machtiging(session, assignment_id)
        authority = await load_authority(session, assignment_id, at=decision.act.at)
    try:
        proposed = _require_open_proposal(decision.leader, authority)
        if decision.is_confirmed:
            await _confirm(session, keyring, decision, proposed, waiting)
        else:
            await _refuse(session, decision, proposed)
    except Refusal as refusal:
        await journal_refused_assignment(session, decision.act, refusal, authority, assignment_id)
        return refusal
    return assignment_id


def _require_open_proposal(leader: ActingLeader, authority: Authority | None) -> Authority:
    """Require a proposal of the own organisation that waits.

    Raises NotFound `voorstel_onbekend` for all others alike, Conflict `voorstel_afgehandeld`.
    """
    if authority is None or len(authority.links) == 1 or authority.root.gemachtigde_id != leader.organisation.id:
        raise NotFound(PROPOSAL_UNKNOWN)
    if authority.leaf.state is MachtigingState.ENDED or not authority.leaf.needs_confirmation:
        raise Conflict(PROPOSAL_DECIDED)
    return authority


async def _refuse(session: AsyncSession, decision: _Decision, proposed: Authority) -> None:
    line = resolve_transition(proposed.leaf, MachtigingAction.WITHDRAW, decision.act.at)
    ended = await apply_transition(session, proposed.leaf, line, {}, at=decision.act.at)
    if ended is None:  # impossible while the row is locked
        raise Conflict(PROPOSAL_DECIDED)
    await record_assignment(session, decision.act, "afgewezen", ended.machtiging, [(SEALED_MACHTIGING, ended.row)])


async def _confirm(
    session: AsyncSession, keyring: KeyRing, decision: _Decision, proposed: Authority, waiting: Row[Any] | None
) -> None:
    """Confirm one, and tell the client and the employee. A client who waits in a hand-over waits no more.

    Confirming a stand-in leaves the client in the hand-over. The replacement is told once, with the first client.
    """
    work = await _lock_work(session, proposed.machtiging_id, decision.act.at)
    if has_lapsed(work.assigned_at, decision.act.at):
        raise Conflict(PROPOSAL_LAPSED)
    await _require_other_people(session, keyring, decision, proposed, work)
    assignee = await _require_team(session, decision, proposed)
    if assignee is None:
        _require_force_when_confirmed(proposed, decision.act.at)
    rows = await _write_confirmation(session, decision, proposed.leaf, work)
    if waiting is not None and proposed.leaf.stand_in_id is None:  # who stands in for a while is no new reader
        closed = await close_item(session, waiting, at=decision.act.at, assignment_id=proposed.machtiging_id)
        rows = (*rows, closed)
    confirmed = await load_machtiging(session, proposed.machtiging_id) or proposed.leaf
    if assignee is not None and assignee.team is not None:
        links = await _link_members(session, keyring, decision, confirmed, work, assignee.members)
        rows = (*rows, *collect_rows(links))
        await journal_team_assignment(session, decision.act, confirmed, assignee.team.name, rows)
        return
    if proposed.leaf.stand_in_id is None:
        await journal_assignment(session, decision.act, confirmed, proposed.holder_id, rows)
        return
    await record_assignment(session, decision.act, "vervanging", confirmed, rows)
    stand_in = (await session.execute(select(_STAND_IN).where(_STAND_IN.c.id == proposed.leaf.stand_in_id))).one()
    if proposed.employee is not None:
        await notify_of_stand_in(session, decision.act, proposed, confirmed, proposed.employee, stand_in)
        if not await has_link_that_counts(session, stand_in.id, other_than=proposed.machtiging_id):
            people = (proposed.absent_employee, proposed.employee)
            await notify_replacement(session, decision.leader.organisation.name, people, stand_in, at=decision.act.at)


async def _require_team(session: AsyncSession, decision: _Decision, proposed: Authority) -> Assignee | None:
    """Require a member who can read, if a team is proposed. Raises as `require_members`."""
    if proposed.leaf.team_id is None:
        return None
    organisation_id, at = decision.leader.organisation.id, decision.act.at
    team = await require_open_team(session, organisation_id, proposed.leaf.team_id, at=at)
    return Assignee(team=team, members=await require_members(session, decision.sides, proposed, team, at=at))


async def _link_members(
    session: AsyncSession,
    keyring: KeyRing,
    decision: _Decision,
    confirmed: Machtiging,
    work: Row[Any],
    members: Sequence[EmployeeStanding],
) -> list[MemberLink]:
    """Let the members of the team read. Who joined after the proposal waits for a second person of their own."""
    leader = decision.leader
    query = select(_EMPLOYEE.c.person_id).where(_EMPLOYEE.c.id == work.assigned_by)
    proposer_id = PersonId((await session.execute(query)).scalar_one())
    second = SecondPerson(leader.employee.id, leader.person_id)
    signature = Signature(work.assigned_by, proposer_id, second)
    proposed_ids = await find_members_since(session, confirmed.team_id, work.assigned_at)
    new = [NewMemberLink(confirmed, one.id, needs_confirmation=one.id not in proposed_ids) for one in members]
    return await insert_member_links(session, keyring, leader.organisation.id, new, signature, at=decision.act.at)


async def _lock_work(session: AsyncSession, assignment_id: MachtigingId, at: datetime) -> Row[Any]:
    """Lock the row that says who proposed it, and when. Raises NotAllowed `rij_ongeldig`."""
    mine = select(_ASSIGNMENT).where(_ASSIGNMENT.c.machtiging_id == assignment_id)
    row = (await session.execute(mine.with_for_update())).one_or_none()
    if row is None or not await authenticate_row(session, SEALED_ASSIGNMENT, row, at=at):
        raise NotAllowed(ROW_INVALID)
    return row


async def _require_other_people(
    session: AsyncSession, keyring: KeyRing, decision: _Decision, proposed: Authority, work: Row[Any]
) -> None:
    """Require another person than the proposer, and than the client or its director.

    Raises NotAllowed as `require_second_person`, `voorstel_zonder_persoon` or `toewijzing_aan_client_zelf`.
    """
    query = select(_EMPLOYEE.c.person_id).where(_EMPLOYEE.c.id == work.assigned_by)
    proposer_id = await session.scalar(query)
    if proposer_id is None:
        raise NotAllowed("voorstel_zonder_persoon")
    mine = decision.leader.person_id
    await require_second_person(session, keyring, PersonId(proposer_id), mine, practice=decision.practice)
    if await decision.sides.include(proposed, mine):
        raise NotAllowed(StopCode.OWN_BOX, message="toewijzing_aan_client_zelf.confirmation")


def _require_force_when_confirmed(proposed: Authority, at: datetime) -> None:
    """Require that the chain would be in force, of a stand-in from its first day. Raises NotAllowed with the code."""
    confirmed = replace(proposed.leaf, needs_confirmation=False)
    chain = replace(proposed, links=(*proposed.links[:-1], confirmed))
    begins_at = at if proposed.stand_in is None else max(at, proposed.stand_in.starts_at)
    if (stop := chain.stop_reason(begins_at)) is not None:
        raise NotAllowed(stop.code, message=f"{stop.code}.assignment")


async def _write_confirmation(session: AsyncSession, decision: _Decision, leaf: Machtiging, work: Row[Any]) -> _Rows:
    """Write the second person into the agreement and the assignment. Returns both rows."""
    current = (_AGREEMENT.c.machtiging_id == leaf.id, _AGREEMENT.c.number == leaf.agreement_number)
    agreed = (await session.execute(select(_AGREEMENT).where(*current))).one()
    values = reseal_changes(session, SEALED_AGREEMENT, agreed, {"confirmed_by": decision.leader.person_id})
    changed = update(_AGREEMENT).where(*current).values(values).returning(_AGREEMENT)
    agreement = dict((await session.execute(changed)).mappings().one())
    values = reseal_changes(session, SEALED_ASSIGNMENT, work, {"confirmed_by": decision.leader.employee.id})
    mine = _ASSIGNMENT.c.machtiging_id == leaf.id
    changed = update(_ASSIGNMENT).where(mine).values(values).returning(_ASSIGNMENT)
    assignment = dict((await session.execute(changed)).mappings().one())
    return (SEALED_AGREEMENT, agreement), (SEALED_ASSIGNMENT, assignment)
