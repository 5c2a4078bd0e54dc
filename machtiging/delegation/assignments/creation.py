"""Assign machtigingen to employees and teams: a bulk operation with a result for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.assignments.assignees import Assignee, require_assignee
from machtiging.delegation.assignments.insertion import (
    AssignmentKind,
    InsertedAssignment,
    NewAssignment,
    insert_assignment,
)
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
    list_client_assignments,
    load_present_employee,
    lock_employee_of_login,
)
from machtiging.delegation.assignments.rules import (
    ActingLeader,
    AssignmentRequest,
    EmployeeLogin,
    require_call_size,
    require_leading_role,
    require_link_count,
    require_recognition,
)
from machtiging.delegation.assignments.stand_in_links import link_assignment
from machtiging.delegation.assignments.team_links import (
    NewMemberLink,
    Signature,
    collect_rows,
    insert_member_links,
)
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.businesses.giver_side import GiverSides
from machtiging.delegation.waiting_clients.items import close_item, find_item_state, lock_waiting_item
from machtiging.delegation.waiting_clients.locks import lock_readers_of_login
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Conflict, NotAllowed, NotFound, Refusal
from machtiging.kernel.ids import MachtigingId
from machtiging.kernel.sqlstate import find_sqlstate
from machtiging.organisations.rules import require_minimum_level
from machtiging.organisations.teams.queries import TeamView, count_members

_UNIQUE_VIOLATION = "23505"


@dataclass(frozen=True, slots=True)
class _Call:
    """The act and login of one call, with the giver's side of its machtigingen."""

    act: AssignmentAct
    assurance: Assurance
    sides: GiverSides


async def assign_machtigingen(
    session: AsyncSession,
    keyring: KeyRing,
    login: EmployeeLogin,
    requests: Sequence[AssignmentRequest],
    *,
    at: datetime,
    as_employee_id: UUID | None = None,
) -> list[MachtigingId | Refusal]:
    """Assign each machtiging to its employee or team. Returns the id or the refusal, in the same order.

    At most 500. Each done or refused one has its own journal line; one that is done already, by the same idempotency
    key, has none. If it ended since, it is refused with `toewijzing_beeindigd`. Refuses the whole call, in one line:
    InvalidInput `te_veel_toewijzingen` or `te_veel_toewijzingen_aan_team`, NotAllowed `geen_medewerker`,
    `alleen_voor_teamleider`, `toewijzing_aan_uzelf` or as `organisation_refusal`, LevelTooLow `niveau_te_laag`.
    `as_employee_id`: the employee who asked this earlier; a person who came back as another employee does not act on
    it.
    """
    act = AssignmentAct(JournalAct.TOEWIJZING_GEMAAKT, login.person_id, at)
    await lock_readers_of_login(session, login.kvk)
    await lock_employee_of_login(session, login)
    async with journal_refused_call(session, act):
        leader = await load_present_employee(session, login, at=at)
        if as_employee_id not in (None, leader.employee.id):
            raise NotAllowed("geen_medewerker")
    act = replace(act, leader=leader)
    async with journal_refused_call(session, act):
        require_call_size(len(requests))
        require_leading_role(leader.employee, {one.employee_id for one in requests})
        require_recognition(leader.organisation)
        require_minimum_level(leader.organisation.ceiling.minimum_level, login.assurance)
        await _require_link_count(session, leader, requests)
    call = _Call(act, login.assurance, GiverSides(session, keyring))
    await call.sides.load([one.machtiging_id for one in requests])
    results: dict[int, MachtigingId | Refusal] = {}
    # In the order of the machtigingen: two calls at once wait for each other and cannot deadlock.
    for number in sorted(range(len(requests)), key=lambda each: (requests[each].machtiging_id, each)):
        results[number] = await _try_assignment(session, keyring, call, requests[number])
    return [results[number] for number in range(len(requests))]


async def _require_link_count(
    session: AsyncSession, leader: ActingLeader, requests: Sequence[AssignmentRequest]
) -> None:
    """Require at most 2,000 links of team members in this call. Teams of others count for none. Raises InvalidInput."""
    team_ids = [one.team_id for one in requests if one.team_id is not None]
    if len(requests) > 1 and team_ids:
        sizes = await count_members(session, leader.organisation.id, team_ids)
        require_link_count(sum(sizes.get(one, 0) for one in team_ids))


async def _try_assignment(
    session: AsyncSession, keyring: KeyRing, call: _Call, request: AssignmentRequest
) -> MachtigingId | Refusal:
    """Assign one, or journal and return the refusal. A client who waits in a hand-over waits no more.

    Takes no lock on the machtiging: a citizen who revokes does not wait for 500 assignments, and one that is made under
    a machtiging that just ended opens nothing.
    """
    act = call.act
    authority = await load_authority(session, request.machtiging_id, at=act.at)
    try:
        leader, authority = _require_own_machtiging(act.leader, authority)
        link_id = derive_assignment_id(keyring, leader, request)
        if await _is_repeated(session, link_id, leader, act.at) and link_id is not None:
            return link_id
        waiting = await _lock_handover(session, authority, request)
        if waiting is not None:  # the worker may have paused the machtiging while this waited for the lock
            authority = await load_authority(session, request.machtiging_id, at=act.at) or authority
        assignee = await require_assignee(session, call.sides, leader, authority, request, act.at)
        values = NewAssignment(
            *(assignee.employee_id, leader.employee.id, leader.person_id, call.assurance),
            kind=AssignmentKind.PERMANENT if waiting is None else AssignmentKind.HANDOVER,
            case_reference=request.case_reference,
            team_id=assignee.team_id,
            id=link_id,
        )
        inserted = await _insert_once(session, authority, values, act.at)
        if inserted is None:
            if await _is_repeated(session, link_id, leader, act.at) and link_id is not None:
                return link_id
            raise Conflict(await _describe_present(session, authority, assignee, act.at))
    except Refusal as refusal:
        await journal_refused_assignment(session, act, refusal, authority, request.machtiging_id)
        return refusal
    rows = inserted.rows
    # A client whom a second person must still confirm waits on in the hand-over: the proposal can lapse.
    if waiting is not None and not inserted.is_proposed:
        rows = (*rows, await close_item(session, waiting, at=act.at, assignment_id=inserted.machtiging.id))
    await _finish(session, keyring, act, inserted, assignee, rows, call.assurance)
    return inserted.machtiging.id


async def _is_repeated(session: AsyncSession, link_id: MachtigingId | None, leader: ActingLeader, at: datetime) -> bool:
    """Return True if an earlier call with the same key made this live assignment.

    Raises Conflict `toewijzing_beeindigd` if it ended: nobody reads by it, and a key makes one assignment.
    """
    if link_id is None or not await is_assignment_of(session, link_id, leader.organisation.id):
        return False
    link = await load_authority(session, link_id, at=at)
    if link is None or link.has_ended:
        raise Conflict("toewijzing_beeindigd")
    return True


async def _finish(
    session: AsyncSession,
    keyring: KeyRing,
    act: AssignmentAct,
    inserted: InsertedAssignment,
    assignee: Assignee,
    rows: Any,
    assurance: Assurance,
) -> None:
    """Journal an assignment, and make the links under it: of team members or stand-ins."""
    if assignee.team is not None:
        await _link_members(session, keyring, act, inserted, assignee, assignee.team, rows)
        return
    await _journal_inserted(session, act, inserted, assignee, rows)
    await link_assignment(session, keyring, act, inserted.machtiging, assurance)


async def _journal_inserted(
    session: AsyncSession, act: AssignmentAct, inserted: InsertedAssignment, assignee: Assignee, rows: Any
) -> None:
    """Journal an assignment. Client and employee are told of one that counts, not of a proposal."""
    if inserted.is_proposed:
        proposing = replace(act, act=JournalAct.TOEWIJZING_VOORGESTELD)
        await record_assignment(session, proposing, "vier_ogen", inserted.machtiging, rows)
    else:
        holder_id = None if assignee.employee is None else assignee.employee.person_id
        await journal_assignment(session, act, inserted.machtiging, holder_id, rows)


async def _link_members(
    session: AsyncSession,
    keyring: KeyRing,
    act: AssignmentAct,
    inserted: InsertedAssignment,
    assignee: Assignee,
    team: TeamView,
    rows: Any,
) -> None:
    """Let the members of the team read, in the same journal line. Nobody reads yet by a proposal."""
    if inserted.is_proposed or act.leader is None:
        await _journal_inserted(session, act, inserted, assignee, rows)
        return
    new = [NewMemberLink(inserted.machtiging, one.id) for one in assignee.members]
    signature = Signature(act.leader.employee.id, act.leader.person_id)
    links = await insert_member_links(session, keyring, act.leader.organisation.id, new, signature, at=act.at)
    await journal_team_assignment(session, act, inserted.machtiging, team.name, (*rows, *collect_rows(links)))


async def _lock_handover(session: AsyncSession, authority: Authority, request: AssignmentRequest) -> Row[Any] | None:
    """Lock the item in which the client waits; None if there is none.

    If the request names a hand-over, raises NotFound `niet_in_overdracht`, and Conflict `al_overgedragen` for a client
    who does not wait there any more.
    """
    waiting, handover_id = await lock_waiting_item(session, authority.root.id), request.handover_id
    if handover_id is None or (waiting is not None and waiting.handover_id == handover_id):
        return waiting
    if await find_item_state(session, handover_id, request.machtiging_id) is None:
        raise NotFound("niet_in_overdracht")
    raise Conflict("al_overgedragen")


def _require_own_machtiging(leader: ActingLeader | None, authority: Authority | None) -> tuple[ActingLeader, Authority]:
    """Require a machtiging of the own organisation. Raises NotFound `machtiging_onbekend` for all others alike."""
    if leader is None or authority is None or authority.root.gemachtigde_id != leader.organisation.id:
        raise NotFound("machtiging_onbekend")
    return leader, authority


async def _insert_once(
    session: AsyncSession, authority: Authority, values: NewAssignment, at: datetime
) -> InsertedAssignment | None:
    """Insert the assignment. Returns None if this employee or team holds it, also by a call at once."""
    try:
        async with session.begin_nested():
            return await insert_assignment(session, authority.root, values, at=at)
    except IntegrityError as error:
        if find_sqlstate(error) != _UNIQUE_VIOLATION:
            raise
        return None


async def _describe_present(session: AsyncSession, authority: Authority, assignee: Assignee, at: datetime) -> str:
    """Return the code for a holder who has this client already, or was proposed."""
    for link in await list_client_assignments(session, authority.machtiging_id, at=at):
        is_same = (link.leaf.employee_id, link.leaf.team_id) == (assignee.employee_id, assignee.team_id)
        if is_same and link.leaf.needs_confirmation:
            return "al_voorgesteld"
    return "al_toegewezen"


def derive_assignment_id(keyring: KeyRing, leader: ActingLeader, request: AssignmentRequest) -> MachtigingId | None:
    """Derive the id of an assignment from its idempotency key.

    So a double submit conflicts. None without a key. The id is keyed, so nobody else can compute it. It is a version 5
    UUID, as in `derive_offer_id`.
    """
    if request.idempotency_key is None:
        return None
    named = (leader.employee.id, request.machtiging_id, request.employee_id, request.team_id, request.idempotency_key)
    index = keyring.blind_index("toewijzing", ":".join(map(str, named)))
    return MachtigingId(UUID(bytes=index[:16], version=5))
