"""The departure of an employee. The only way to leave for API, portal and command line.

In one transaction the employee leaves, also every team, every assignment to the employee and every one that rests on it
ends, saved filters are deleted, and each client who has no reader now waits once in a hand-over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.assignments.clients import list_clients_without_reader
from machtiging.delegation.assignments.ended_links import LINK, PARENT, end_links, lock_live_links
from machtiging.delegation.caseload.saved_filters import delete_filters_of_employee
from machtiging.delegation.stand_ins.ending import end_stand_ins_of_employee
from machtiging.delegation.waiting_clients.locks import lock_readers
from machtiging.delegation.waiting_clients.opening import open_handover
from machtiging.delegation.waiting_clients.rules import HandoverOccasion
from machtiging.organisations.employees import end_employment
from machtiging.organisations.journal_lines import OrganisationAct, build_actor_line
from machtiging.organisations.queries import find_organisation_of_employee
from machtiging.organisations.rules import ActingEmployee, OrganisationActor
from machtiging.organisations.teams.administration import end_memberships_of_employee


@dataclass(frozen=True, slots=True)
class Departure:
    """The result of a departure: what ended, and the clients who wait for a reader.

    `handover_id` is None if nobody waits.
    """

    ended: int
    waiting: int
    handover_id: UUID | None


async def record_departure(
    session: AsyncSession,
    keyring: KeyRing,
    actor: OrganisationActor,
    employee_id: UUID,
    *,
    at: datetime,
    organisation_id: UUID | None = None,
) -> Departure:
    """Let an employee leave, end the assignments and open the hand-over.

    Raises as `end_employment`. After the commit no request of the employee that starts later succeeds.
    """
    await _lock_readers(session, actor, employee_id)
    works_at = await end_employment(session, keyring, actor, employee_id, at=at, organisation_id=organisation_id)
    await end_memberships_of_employee(session, actor, works_at, employee_id, at=at)
    await delete_filters_of_employee(session, works_at, employee_id)
    act = OrganisationAct(JournalAct.OVERDRACHT_GEOPEND, actor, works_at, at, "overdracht")
    links = await lock_live_links(session, or_(LINK.c.employee_id == employee_id, PARENT.c.employee_id == employee_id))
    line = _build_line(act, JournalAct.TOEWIJZING_BEEINDIGD, "toewijzing")
    await end_links(session, links, line, at=at)
    await end_stand_ins_of_employee(session, employee_id, line, at=at)
    roots = {link.root_id for link in links}
    waiting = await list_clients_without_reader(session, works_at, roots, at=at)
    if not waiting:
        return Departure(len(links), 0, None)
    handover_id = await open_handover(session, act, employee_id, HandoverOccasion.DEPARTURE, waiting)
    return Departure(len(links), len(waiting), handover_id)


async def _lock_readers(session: AsyncSession, actor: OrganisationActor, employee_id: UUID) -> None:
    """Take the lock on who reads, of the organisation that the actor may change."""
    if isinstance(actor, ActingEmployee):
        await lock_readers(session, actor.organisation_id)
    elif (works_at := await find_organisation_of_employee(session, employee_id)) is not None:
        await lock_readers(session, works_at)


def _build_line(act: OrganisationAct, kind: JournalAct, object_kind: str) -> NewJournalLine:
    reason = HandoverOccasion.DEPARTURE.value
    line = NewJournalLine(act=kind, outcome=JournalOutcome.DONE, reason=reason, object_kind=object_kind)
    return build_actor_line(act, line)
