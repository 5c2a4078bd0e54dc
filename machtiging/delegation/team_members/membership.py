"""Join and leave a team, and end one, with the links of the members. The only way for API and portal.

Who joins gets a link under every assignment of the team, in the same transaction; who leaves loses them. A client is
told who reads now and did not before, and who does not read any more: also of a team that the client refused, which
takes and gives access too.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, any_, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.rules import Sensitivity
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record_all
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.assignments.assignees import list_readable_by
from machtiging.delegation.assignments.clients import list_clients_without_reader
from machtiging.delegation.assignments.ended_links import LINK, PARENT, end_links, lock_live_links
from machtiging.delegation.assignments.journal_lines import TEAM_REASON, describe_team_notice
from machtiging.delegation.assignments.team_links import MemberLink, NewMemberLink, Signature, insert_member_links
from machtiging.delegation.authority.queries import load_authorities
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.queries import is_current_agreement
from machtiging.delegation.rules import MachtigingState
from machtiging.delegation.state_lines import describe_states_of_each
from machtiging.delegation.tables import AgreementRow
from machtiging.delegation.transition import notification_facts
from machtiging.delegation.waiting_clients.locks import lock_readers
from machtiging.delegation.waiting_clients.opening import open_handover
from machtiging.delegation.waiting_clients.rules import HandoverOccasion
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notifications
from machtiging.organisations.journal_lines import OrganisationAct, build_actor_line
from machtiging.organisations.rules import ActingEmployee
from machtiging.organisations.second_person.threshold import is_demanded, load_threshold
from machtiging.organisations.tables import Employee
from machtiging.organisations.teams.administration import add_member, end_team, remove_member
from machtiging.organisations.teams.queries import find_members_since, load_team_names
from machtiging.storage.columns import table_of

_AGREEMENT, _EMPLOYEE = table_of(AgreementRow), table_of(Employee)
_LIVE = LINK.c.state != MachtigingState.ENDED.value


@dataclass(frozen=True, slots=True)
class _Member:
    """An employee who joins or leaves a team, by this actor."""

    actor: ActingEmployee
    team_id: UUID
    employee_id: UUID
    at: datetime


# Who reads by which machtiging of a client: the machtiging and the employee, with one link of each.
_Readers = dict[tuple[UUID, UUID], Authority]


async def join_team(
    session: AsyncSession,
    keyring: KeyRing,
    actor: ActingEmployee,
    team_id: UUID,
    employee_id: UUID,
    assurance: Assurance,
    *,
    at: datetime,
) -> None:
    """Add an employee to a team. `assurance`: the level of the actor's login. Raises as `add_member`.

    Where the organisation demands four eyes each new link waits for a second person.
    """
    await lock_readers(session, actor.organisation_id)
    member = _Member(actor, team_id, employee_id, at)
    roots = await _find_roots(session, actor, team_id)
    before = await _find_readers(session, {employee_id}, roots, at)
    await add_member(session, actor, team_id, employee_id, at=at)
    await _journal_links(session, member, await _link_member(session, keyring, member, assurance))
    after = await _find_readers(session, {employee_id}, roots, at)
    await _notify_clients(session, before, after, at)
    await _open_handovers(session, actor, before, after, at)


async def leave_team(
    session: AsyncSession, actor: ActingEmployee, team_id: UUID, employee_id: UUID, *, at: datetime
) -> None:
    """Take an employee out of a team. Clients without another reader wait in a hand-over. Raises as `remove_member`."""
    await lock_readers(session, actor.organisation_id)
    roots = await _find_roots(session, actor, team_id)
    before = await _find_readers(session, {employee_id}, roots, at)
    await remove_member(session, actor, team_id, employee_id, at=at)
    links = await lock_live_links(session, (PARENT.c.team_id == team_id) & (LINK.c.employee_id == employee_id))
    await end_links(session, links, _build_line(actor, JournalAct.TOEWIJZING_BEEINDIGD, at), at=at, tells_clients=False)
    after = await _find_readers(session, {employee_id}, roots, at)
    await _notify_clients(session, before, after, at)
    await _open_handovers(session, actor, before, after, at)


async def stop_team(session: AsyncSession, actor: ActingEmployee, team_id: UUID, *, at: datetime) -> None:
    """End a team with its assignments. Raises as `end_team`.

    Each client is told once, and who refused the team is told who reads again. Clients without a reader wait in a
    hand-over.
    """
    await lock_readers(session, actor.organisation_id)
    members, roots = await find_members_since(session, team_id, at), await _find_roots(session, actor, team_id)
    before = await _find_readers(session, members, roots, at)
    await end_team(session, actor, team_id, at=at)
    assigned = await load_authorities(session, (LINK.c.team_id == team_id) & _LIVE, at=at)
    links = await lock_live_links(session, or_(LINK.c.team_id == team_id, PARENT.c.team_id == team_id))
    await end_links(session, links, _build_line(actor, JournalAct.TOEWIJZING_BEEINDIGD, at), at=at, tells_clients=False)
    name = (await load_team_names(session, actor.organisation_id, at=at)).get(team_id, "")
    notices = [
        (one.vertegenwoordigde_id, describe_team_notice(one.leaf, name, one.organisation_name))
        for one in assigned
        if one.is_authentic and not one.awaits_second_person and not one.has_ended
    ]
    await enqueue_notifications(session, NotificationKind.TEAM_GESTOPT, notices, at=at)
    after = await _find_readers(session, members, roots, at)
    await _notify_of_new_readers(session, before, after, at)
    await _open_handovers(session, actor, before, after, at)


async def _find_roots(session: AsyncSession, actor: ActingEmployee, team_id: UUID) -> list[UUID]:
    """Find the machtigingen that are assigned to the team, or that refuse it."""
    assigned = select(LINK.c.parent_id).where(LINK.c.team_id == team_id, _LIVE)
    mine = (LINK.c.gemachtigde_id == actor.organisation_id, LINK.c.parent_id.is_(None), _LIVE)
    joined = LINK.join(_AGREEMENT, is_current_agreement(LINK, _AGREEMENT))
    named = literal(team_id, Uuid()) == any_(_AGREEMENT.c.excluded_team_ids)
    refused = select(LINK.c.id).select_from(joined).where(*mine, named)
    return sorted({*await session.scalars(assigned), *await session.scalars(refused)})


async def _find_readers(
    session: AsyncSession, employee_ids: Collection[UUID], roots: Collection[UUID], at: datetime
) -> _Readers:
    """Find by which of these machtigingen these employees read, whenever the machtiging stands."""
    if not roots or not employee_ids:
        return {}
    named = literal(list(roots), ARRAY(Uuid()))
    above = LINK.alias("above_reading")
    below = select(above.c.id).where(above.c.parent_id == any_(named))
    mine = (LINK.c.employee_id == any_(literal(sorted(employee_ids), ARRAY(Uuid())))) & _LIVE
    under = or_(LINK.c.parent_id == any_(named), LINK.c.parent_id.in_(below))
    found = await load_authorities(session, mine & under, at=at)
    return {
        (one.root.id, one.leaf.employee_id): one
        for one in found
        if one.leaf.employee_id is not None and one.is_assigned(at) and not one.has_ended
    }


async def _open_handovers(
    session: AsyncSession, actor: ActingEmployee, before: _Readers, after: _Readers, at: datetime
) -> None:
    """Open a hand-over of each employee who was the last reader of a client."""
    last_readers = dict(sorted(before.keys() - after.keys()))
    if not last_readers:
        return
    waiting = await list_clients_without_reader(session, actor.organisation_id, last_readers, at=at)
    act = OrganisationAct(JournalAct.OVERDRACHT_GEOPEND, actor, actor.organisation_id, at, "overdracht")
    for employee_id in sorted({last_readers[root] for root in waiting}):
        of_employee = {root: client for root, client in waiting.items() if last_readers[root] == employee_id}
        await open_handover(session, act, employee_id, HandoverOccasion.CHANGE, of_employee)


async def _link_member(
    session: AsyncSession, keyring: KeyRing, member: _Member, assurance: Assurance
) -> list[MemberLink]:
    """Insert a link under every assignment of the team that stands. Not for the client, and not under a proposal."""
    at, organisation_id = member.at, member.actor.organisation_id
    assigned = await load_authorities(session, (LINK.c.team_id == member.team_id) & _LIVE, at=at)
    open_ones = [
        one
        for one in assigned
        if one.is_authentic and not one.has_ended and not one.awaits_second_person and one.ends_at > at
    ]
    threshold = await load_threshold(session, organisation_id, at=at) if open_ones else None
    person_id = await session.scalar(select(_EMPLOYEE.c.person_id).where(_EMPLOYEE.c.id == member.employee_id))
    new = []
    in_order = sorted(open_ones, key=lambda each: each.machtiging_id)
    for one in await list_readable_by(session, keyring, in_order, person_id):
        demanded = is_demanded(threshold, Sensitivity(one.leaf.scope.highest_sensitivity))
        new.append(NewMemberLink(one.leaf, member.employee_id, needs_confirmation=demanded))
    signature = Signature(member.actor.employee_id, member.actor.person_id, assurance=assurance)
    return await insert_member_links(session, keyring, organisation_id, new, signature, at=at)


async def _journal_links(session: AsyncSession, member: _Member, links: list[MemberLink]) -> None:
    """Journal each new link, for its client, with the whole new state."""
    lines = []
    described = await describe_states_of_each(
        session, [(one.new.above.vertegenwoordigde_id, one.rows) for one in links]
    )
    for link, facts in zip(links, described, strict=True):
        proposed = link.new.needs_confirmation
        kind = JournalAct.TOEWIJZING_VOORGESTELD if proposed else JournalAct.TOEWIJZING_GEMAAKT
        line, giver_id = _build_line(member.actor, kind, member.at), link.new.above.vertegenwoordigde_id
        named = replace(line, for_person_id=giver_id, machtiging_id=link.id, object_id=str(link.id))
        lines.append((replace(named, facts={**line.facts, **facts}), uuid7()))
    await record_all(session, lines, at=member.at)


async def _notify_clients(session: AsyncSession, before: _Readers, after: _Readers, at: datetime) -> None:
    """Tell each client whose reader changed. Not one whom the employee reads as before, by another link."""
    await _notify_of_new_readers(session, before, after, at)
    lost = [_describe_notice(before[pair]) for pair in sorted(before.keys() - after.keys())]
    await enqueue_notifications(session, NotificationKind.TOEWIJZING_GESTOPT, lost, at=at)


async def _notify_of_new_readers(session: AsyncSession, before: _Readers, after: _Readers, at: datetime) -> None:
    gained = [_describe_notice(after[pair]) for pair in sorted(after.keys() - before.keys())]
    await enqueue_notifications(session, NotificationKind.TOEGEWEZEN, gained, at=at)


def _describe_notice(link: Authority) -> tuple[PersonId, dict[str, Any]]:
    facts: dict[str, Any] = notification_facts(link.leaf, link.holder_id)
    if link.organisation is not None:
        facts["organisation"] = link.organisation.name
    return link.vertegenwoordigde_id, facts


def _build_line(actor: ActingEmployee, kind: JournalAct, at: datetime) -> NewJournalLine:
    act = OrganisationAct(kind, actor, actor.organisation_id, at, "toewijzing")
    line = NewJournalLine(act=kind, outcome=JournalOutcome.DONE, reason=TEAM_REASON, object_kind="toewijzing")
    return build_actor_line(act, line)
