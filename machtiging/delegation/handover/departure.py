"""The departure of an employee. The only way to leave for API, portal and command line.

In one transaction the employee leaves, every assignment to the employee and every one that rests on it ends, and each
client who has no reader now waits once in a hand-over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.audit.state_facts import state_facts
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.assignments.clients import list_clients_without_reader
from machtiging.delegation.authority.queries import load_authorities
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.queries import machtiging_table
from machtiging.delegation.rules import EndReason, MachtigingState
from machtiging.delegation.state_lines import describe_authentic_states
from machtiging.delegation.tables import SEALED_HANDOVER, SEALED_MACHTIGING, Handover
from machtiging.delegation.transition import notification_facts
from machtiging.delegation.waiting_clients.items import insert_item
from machtiging.delegation.waiting_clients.locks import lock_readers
from machtiging.delegation.waiting_clients.rules import HandoverOccasion
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notification
from machtiging.organisations.employees import end_employment
from machtiging.organisations.journal_lines import OrganisationAct, build_actor_line
from machtiging.organisations.queries import find_organisation_of_employee
from machtiging.organisations.rules import ActingEmployee, OrganisationActor
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import reseal_changes, seal_row

_LINK, _HANDOVER = machtiging_table(), table_of(Handover)
_PARENT = _LINK.alias("parent_of_ended")


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
    act = OrganisationAct(JournalAct.TOEWIJZING_BEEINDIGD, actor, works_at, at, "toewijzing")
    links = await _lock_links(session, employee_id)
    authorities = await load_authorities(session, _LINK.c.id.in_([link.id for link in links]), at=at)
    await _end_links(session, act, links, {one.machtiging_id: one for one in authorities})
    roots = {link.root_id for link in links}
    waiting = await list_clients_without_reader(session, works_at, roots, at=at)
    if not waiting:
        return Departure(len(links), 0, None)
    handover_id = await _open_handover(session, act, employee_id, waiting)
    return Departure(len(links), len(waiting), handover_id)


async def _lock_readers(session: AsyncSession, actor: OrganisationActor, employee_id: UUID) -> None:
    """Take the lock on who reads, of the organisation that the actor may change."""
    if isinstance(actor, ActingEmployee):
        await lock_readers(session, actor.organisation_id)
    elif (works_at := await find_organisation_of_employee(session, employee_id)) is not None:
        await lock_readers(session, works_at)


async def _lock_links(session: AsyncSession, employee_id: UUID) -> list[Row[Any]]:
    """Lock the live links of this employee and those under them, with their root."""
    root = func.coalesce(_PARENT.c.parent_id, _PARENT.c.id).label("root_id")
    mine = or_(_LINK.c.employee_id == employee_id, _PARENT.c.employee_id == employee_id)
    columns: list[Any] = [*_LINK.c, root]
    query = select(*columns).join(_PARENT, _PARENT.c.id == _LINK.c.parent_id).order_by(_LINK.c.id)
    live = query.where(mine, _LINK.c.state != MachtigingState.ENDED.value)
    return [*(await session.execute(live.with_for_update(of=_LINK, key_share=True))).all()]


async def _end_links(
    session: AsyncSession, act: OrganisationAct, links: Sequence[Row[Any]], authorities: dict[Any, Authority]
) -> None:
    """End these links, each with its journal line, and tell each client. The employee gets no letter about each."""
    if not links:
        return
    changes = {
        "state": MachtigingState.ENDED.value,
        "paused_at": None,
        "ended_at": act.at,
        "end_reason": EndReason.WITHDRAWN.value,
    }
    sealed = [reseal_changes(session, SEALED_MACHTIGING, link, changes) for link in links]
    changing = update(_LINK).where(_LINK.c.id == bindparam("link_id")).values(**changes, mac=bindparam("new_mac"))
    macs = [one.get("mac", link.mac) for one, link in zip(sealed, links, strict=True)]
    await session.execute(
        changing, [{"link_id": link.id, "new_mac": mac} for link, mac in zip(links, macs, strict=True)]
    )
    for link, mac in zip(links, macs, strict=True):
        columns = {column.name: getattr(link, column.name) for column in _LINK.c}
        row = columns | changes | {"mac": mac}
        facts = await describe_authentic_states(session, link.vertegenwoordigde_id, [(SEALED_MACHTIGING, row)])
        await _record(session, act, JournalAct.TOEWIJZING_BEEINDIGD, link.vertegenwoordigde_id, link.id, link.id, facts)
        await _notify_client(session, authorities.get(link.id), at=act.at)


async def _notify_client(session: AsyncSession, authority: Authority | None, *, at: datetime) -> None:
    """Tell the client who does not read any more. Nobody is told of a forged row: it may name another person."""
    if authority is None or not authority.is_authentic:
        return
    facts = notification_facts(authority.leaf, authority.holder_id)
    if authority.organisation is not None:
        facts["organisation"] = authority.organisation.name
    kind = NotificationKind.TOEWIJZING_GESTOPT
    await enqueue_notification(session, authority.vertegenwoordigde_id, kind, facts, at=at)


async def _open_handover(
    session: AsyncSession, act: OrganisationAct, employee_id: UUID, waiting: dict[UUID, PersonId]
) -> UUID:
    """Insert the hand-over with its clients. One journal line for it, and one for each client."""
    handover_id = uuid7()
    values = {
        "id": handover_id,
        "organisation_id": act.organisation_id,
        "employee_id": employee_id,
        "occasion": HandoverOccasion.DEPARTURE.value,
        "opened_at": act.at,
    }
    row = seal_row(session, SEALED_HANDOVER, values)
    await session.execute(insert(_HANDOVER).values(row))
    opened = replace(act, act=JournalAct.OVERDRACHT_GEOPEND, object_kind="overdracht")
    await _record(session, opened, opened.act, None, None, handover_id, state_facts([(SEALED_HANDOVER, row)]))
    for machtiging_id, client_id in sorted(waiting.items()):
        item = await insert_item(session, handover_id, machtiging_id, at=act.at)
        await _record(session, opened, opened.act, client_id, machtiging_id, handover_id, state_facts([item]))
    return handover_id


async def _record(
    session: AsyncSession,
    act: OrganisationAct,
    kind: JournalAct,
    client_id: UUID | None,
    machtiging_id: UUID | None,
    object_id: UUID,
    facts: Any,
) -> None:
    line = NewJournalLine(
        act=kind,
        outcome=JournalOutcome.DONE,
        reason=HandoverOccasion.DEPARTURE.value,
        for_person_id=client_id,
        machtiging_id=machtiging_id,
        object_kind=act.object_kind,
        object_id=str(object_id),
        facts=facts,
    )
    await record(session, build_actor_line(act, line), at=act.at)
