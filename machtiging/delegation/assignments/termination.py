"""End assignments by the organisation. Takes effect with the next request, and cannot be undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct
from machtiging.delegation.assignments.ended_links import LINK, end_links, lock_live_links
from machtiging.delegation.assignments.journal_lines import (
    TEAM_REASON,
    AssignmentAct,
    build_done_line,
    journal_assignment,
    journal_refused_assignment,
    journal_refused_call,
    journal_team_assignment,
    record_assignment,
)
from machtiging.delegation.assignments.queries import is_assignment_of, load_present_employee
from machtiging.delegation.assignments.rules import ActingLeader, EmployeeLogin, require_call_size, require_leading_role
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import MachtigingAction, MachtigingState, resolve_transition
from machtiging.delegation.tables import SEALED_MACHTIGING
from machtiging.delegation.transition import TransitionResult, apply_transition, lock_machtiging
from machtiging.delegation.waiting_clients.locks import lock_readers_of_login
from machtiging.kernel.errors import Conflict, NotFound, Refusal
from machtiging.kernel.ids import MachtigingId
from machtiging.organisations.teams.queries import load_team_names


async def end_assignments(
    session: AsyncSession, login: EmployeeLogin, ids: Sequence[MachtigingId], *, at: datetime
) -> list[MachtigingId | Refusal]:
    """End each of these assignments. Returns its id or the refusal, in the same order. At most 500.

    It needs no recognition, no level and no lock on the employee's row: ending gives nothing. It waits for a change of
    who is in a team, so that nobody who joins gets a link below one that ends. Each writes the
    machtiging and its journal line, and notifies the citizen and the employee. Refuses the whole call: InvalidInput
    `te_veel_toewijzingen`, NotAllowed `geen_medewerker` or `alleen_voor_teamleider`.
    """
    act = AssignmentAct(JournalAct.TOEWIJZING_BEEINDIGD, login.person_id, at)
    await lock_readers_of_login(session, login.kvk)
    async with journal_refused_call(session, act):
        leader = await load_present_employee(session, login, at=at)
    act = replace(act, leader=leader)
    async with journal_refused_call(session, act):
        require_call_size(len(ids))
        require_leading_role(leader.employee)
    results: dict[int, MachtigingId | Refusal] = {}
    for number in sorted(range(len(ids)), key=lambda each: (ids[each], each)):  # one order, against deadlocks
        results[number] = await _try_end(session, act, leader, ids[number])
    return [results[number] for number in range(len(ids))]


async def _try_end(
    session: AsyncSession, act: AssignmentAct, leader: ActingLeader, assignment_id: MachtigingId
) -> MachtigingId | Refusal:
    """End one, or journal and return the refusal. Locks only those of the own organisation."""
    if await is_assignment_of(session, assignment_id, leader.organisation.id):
        await lock_machtiging(session, assignment_id)
    authority = await load_authority(session, assignment_id, at=act.at)
    try:
        ended = await _end_own_assignment(session, leader, authority, at=act.at)
    except Refusal as refusal:
        await journal_refused_assignment(session, act, refusal, authority, assignment_id)
        return refusal
    if ended.machtiging.team_id is not None:
        await _end_team_assignment(session, act, leader, ended)
        return assignment_id
    holder_id = None if authority is None else authority.holder_id
    rows = [(SEALED_MACHTIGING, ended.row)]
    if ended.machtiging.needs_confirmation:  # nobody was told of it
        await record_assignment(session, act, "beeindigd", ended.machtiging, rows)
    else:
        await journal_assignment(session, act, ended.machtiging, holder_id, rows)
    return assignment_id


async def _end_team_assignment(
    session: AsyncSession, act: AssignmentAct, leader: ActingLeader, ended: TransitionResult
) -> None:
    """End the links of the members too, and tell the client once."""
    rows = [(SEALED_MACHTIGING, ended.row)]
    links = await lock_live_links(session, LINK.c.parent_id == ended.machtiging.id)
    await end_links(session, links, build_done_line(act, TEAM_REASON), at=act.at, tells_clients=False)
    if ended.machtiging.needs_confirmation or ended.machtiging.team_id is None:  # nobody was told of it
        await record_assignment(session, act, "beeindigd", ended.machtiging, rows)
        return
    names = await load_team_names(session, leader.organisation.id, at=act.at)
    await journal_team_assignment(session, act, ended.machtiging, names.get(ended.machtiging.team_id, ""), rows)


async def _end_own_assignment(
    session: AsyncSession, leader: ActingLeader, authority: Authority | None, *, at: datetime
) -> TransitionResult:
    """End an assignment of the own organisation.

    Raises NotFound `toewijzing_onbekend` for all others alike, Conflict `toewijzing_beeindigd`.
    """
    own_id = leader.organisation.id
    if authority is None or len(authority.links) == 1 or authority.root.gemachtigde_id != own_id:
        raise NotFound("toewijzing_onbekend")
    if authority.leaf.state is MachtigingState.ENDED:
        raise Conflict("toewijzing_beeindigd")
    line = resolve_transition(authority.leaf, MachtigingAction.WITHDRAW, at)
    ended = await apply_transition(session, authority.leaf, line, {}, at=at)
    if ended is None:  # impossible while the row is locked
        raise Conflict("toewijzing_beeindigd")
    return ended
