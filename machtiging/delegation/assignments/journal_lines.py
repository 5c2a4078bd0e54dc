"""Journal lines and notifications of acts on assignments. One line per assignment, done or refused."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.delegation.assignments.rules import ActingLeader
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import Machtiging
from machtiging.delegation.state_lines import describe_authentic_states
from machtiging.delegation.transition import notification_facts
from machtiging.kernel.errors import Refusal
from machtiging.kernel.ids import PersonId
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notification

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from machtiging.storage.row_mac import SealedTable

# The reason in the line about the link of a member.
TEAM_REASON = "team"
# Told for what does not exist and for what is of another organisation alike.
_UNKNOWN_CODES = frozenset({"machtiging_onbekend", "toewijzing_onbekend", "voorstel_onbekend"})
# The notification to the giver, and the one to the employee.
_NOTIFICATION_KINDS = {
    JournalAct.TOEWIJZING_GEMAAKT: (NotificationKind.TOEGEWEZEN, NotificationKind.TOEGEWEZEN_AAN_U),
    JournalAct.TOEWIJZING_BEVESTIGD: (NotificationKind.TOEGEWEZEN, NotificationKind.TOEGEWEZEN_AAN_U),
    JournalAct.TOEWIJZING_BEEINDIGD: (
        NotificationKind.TOEWIJZING_GESTOPT,
        NotificationKind.TOEWIJZING_INGETROKKEN_BIJ_U,
    ),
}

_TEAM_NOTIFICATION_KINDS = {
    JournalAct.TOEWIJZING_GEMAAKT: NotificationKind.TEAM_TOEGEWEZEN,
    JournalAct.TOEWIJZING_BEVESTIGD: NotificationKind.TEAM_TOEGEWEZEN,
    JournalAct.TOEWIJZING_BEEINDIGD: NotificationKind.TEAM_GESTOPT,
}


@dataclass(frozen=True, slots=True)
class AssignmentAct:
    """An act on assignments: the act, the person and the instant. `leader`: None if not an employee."""

    act: JournalAct
    person_id: PersonId
    at: datetime
    leader: ActingLeader | None = None


@asynccontextmanager
async def journal_refused_call(session: AsyncSession, act: AssignmentAct) -> AsyncIterator[None]:
    """Journal the refusal of a whole call in one line, with its reason."""
    try:
        yield
    except Refusal as refusal:
        await record(session, _build_line(act, JournalOutcome.REFUSED, refusal.code, None, {}), at=act.at)
        raise


async def journal_refused_assignment(
    session: AsyncSession,
    act: AssignmentAct,
    refusal: Refusal,
    authority: Authority | None,
    object_id: UUID,
) -> None:
    """Journal one refusal with its exact reason. `authority`: that of the id in the request; None if unknown."""
    reason = refusal.code
    if reason in _UNKNOWN_CODES:
        reason = "bestaat_niet" if authority is None else "niet_van_u"
    leaf = None if authority is None else authority.leaf
    await record(session, _build_line(act, JournalOutcome.REFUSED, reason, leaf, {}, object_id), at=act.at)


async def journal_assignment(
    session: AsyncSession,
    act: AssignmentAct,
    machtiging: Machtiging,
    holder_id: PersonId | None,
    rows: Sequence[tuple[SealedTable, Mapping[str, Any]]],
) -> None:
    """Journal a done act with the whole new state, and notify giver and employee."""
    await record_assignment(session, act, act.act.value.split(":")[1], machtiging, rows)
    to_giver, to_employee = _NOTIFICATION_KINDS[act.act]
    notice_facts = notification_facts(machtiging, holder_id)
    if act.leader is not None:
        notice_facts["organisation"] = act.leader.organisation.name
    await enqueue_notification(session, machtiging.vertegenwoordigde_id, to_giver, notice_facts, at=act.at)
    await enqueue_notification(session, holder_id, to_employee, notice_facts, at=act.at)


async def journal_team_assignment(
    session: AsyncSession,
    act: AssignmentAct,
    machtiging: Machtiging,
    team_name: str,
    rows: Sequence[tuple[SealedTable, Mapping[str, Any]]],
) -> None:
    """Journal a done act on the assignment to a team, and notify the giver once."""
    await record_assignment(session, act, act.act.value.split(":")[1], machtiging, rows)
    facts = describe_team_notice(machtiging, team_name, None if act.leader is None else act.leader.organisation.name)
    kind = _TEAM_NOTIFICATION_KINDS[act.act]
    await enqueue_notification(session, machtiging.vertegenwoordigde_id, kind, facts, at=act.at)


def describe_team_notice(machtiging: Machtiging, team_name: str, organisation_name: str | None) -> dict[str, str]:
    """Return the facts of a notification about a team: ids, days and public names."""
    named = {} if organisation_name is None else {"organisation": organisation_name}
    return notification_facts(machtiging, None) | named | {"team": team_name}


async def record_assignment(
    session: AsyncSession,
    act: AssignmentAct,
    reason: str,
    machtiging: Machtiging,
    rows: Sequence[tuple[SealedTable, Mapping[str, Any]]],
) -> None:
    """Journal a done act with the whole new state, and notify nobody."""
    facts = await describe_authentic_states(session, machtiging.vertegenwoordigde_id, rows)
    await record(session, _build_line(act, JournalOutcome.DONE, reason, machtiging, facts), at=act.at)


def build_done_line(act: AssignmentAct, reason: str) -> NewJournalLine:
    """Build the line of an act on many assignments, without the assignment and its state."""
    return _build_line(act, JournalOutcome.DONE, reason, None, {})


def _build_line(
    act: AssignmentAct,
    outcome: JournalOutcome,
    reason: str,
    machtiging: Machtiging | None,
    facts: Mapping[str, Any],
    object_id: UUID | None = None,
) -> NewJournalLine:
    named = object_id if machtiging is None else machtiging.id
    return NewJournalLine(
        act=act.act,
        outcome=outcome,
        reason=reason,
        actor_id=act.person_id,
        capacity=None if act.leader is None else act.leader.capacity,
        for_person_id=None if machtiging is None else machtiging.vertegenwoordigde_id,
        machtiging_id=None if machtiging is None else machtiging.id,
        object_kind=act.act.value.split(":")[0],
        object_id=None if named is None else str(named),
        facts=facts,
        on_behalf_of=None if act.leader is None else act.leader.organisation.id,
    )
