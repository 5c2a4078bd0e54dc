"""Assignments that wait for a second person: list them, and end those that lapsed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine
from machtiging.audit.row_authentication import authenticate_row
from machtiging.delegation.assignments.ended_links import LINK, end_links, lock_live_links
from machtiging.delegation.authority.queries import load_authorities
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.queries import is_current_agreement, machtiging_table
from machtiging.delegation.rules import MachtigingState
from machtiging.delegation.tables import SEALED_ASSIGNMENT, AgreementRow, AssignmentRow
from machtiging.kernel.clock import Clock
from machtiging.kernel.ids import MachtigingId
from machtiging.organisations.second_person.comparison import CONFIRMATION_PERIOD
from machtiging.organisations.tables import Employee, Team
from machtiging.storage.columns import table_of
from machtiging.storage.unit_of_work import unit_of_work

MAX_PROPOSALS_PER_PAGE = 50
_LINK, _AGREEMENT, _ASSIGNMENT = machtiging_table(), table_of(AgreementRow), table_of(AssignmentRow)
_PARENT, _TOP, _EMPLOYEE = _LINK.alias("above_proposal"), _LINK.alias("top_of_proposal"), table_of(Employee)
_TEAM = table_of(Team)
_BATCH_SIZE = 100
_LAPSED = "termijn_voorbij"


@dataclass(frozen=True, slots=True)
class Proposal:
    """An assignment that waits for a second person. `proposed_by` is an employee."""

    authority: Authority
    kind: str
    proposed_by: UUID | None
    proposed_at: datetime

    @property
    def expires_at(self) -> datetime:
        """The instant after which nobody confirms it."""
        return self.proposed_at + CONFIRMATION_PERIOD


def _is_waiting() -> tuple[ColumnElement[bool], ...]:
    """Build the conditions of an agreement that waits, in the words of its partial index."""
    return (_AGREEMENT.c.needs_confirmation, _AGREEMENT.c.confirmed_by.is_(None))


def _build_owner() -> ColumnElement[Any]:
    """Build the organisation of the employee or team to whom it is proposed."""
    return func.coalesce(_EMPLOYEE.c.organisation_id, _TEAM.c.organisation_id)


def _select_waiting(*columns: Any) -> Select[Any]:
    ended = MachtigingState.ENDED.value
    joined = (
        _AGREEMENT.join(_LINK, is_current_agreement(_LINK, _AGREEMENT))
        .join(_ASSIGNMENT, _ASSIGNMENT.c.machtiging_id == _LINK.c.id)
        .outerjoin(_EMPLOYEE, _EMPLOYEE.c.id == _LINK.c.employee_id)
        .outerjoin(_TEAM, _TEAM.c.id == _LINK.c.team_id)
        .join(_PARENT, _PARENT.c.id == _LINK.c.parent_id)
        .outerjoin(_TOP, _TOP.c.id == _PARENT.c.parent_id)
    )
    return select(*columns).select_from(joined).where(*_is_waiting(), _LINK.c.state != ended)


async def list_proposals(
    session: AsyncSession,
    organisation_id: UUID,
    *,
    at: datetime,
    after: UUID | None = None,
    limit: int = MAX_PROPOSALS_PER_PAGE + 1,
) -> list[Proposal]:
    """List what waits for a second person, in order of the id (keyset). Not what lapsed."""
    ended = MachtigingState.ENDED.value
    mine = (
        _build_owner() == organisation_id,
        _ASSIGNMENT.c.assigned_at > at - CONFIRMATION_PERIOD,
        _PARENT.c.state != ended,
        _TOP.c.state.is_distinct_from(ended),
    )
    query = _select_waiting(*_ASSIGNMENT.c).where(*mine)
    if after is not None:
        query = query.where(_LINK.c.id > after)
    rows = (await session.execute(query.order_by(_LINK.c.id).limit(limit))).all()
    if not rows:
        return []
    ids = [row.machtiging_id for row in rows]
    found = {one.machtiging_id: one for one in await load_authorities(session, _LINK.c.id.in_(ids), at=at)}
    return [
        Proposal(found[row.machtiging_id], row.kind, row.assigned_by, row.assigned_at)
        for row in rows
        if found[row.machtiging_id].is_authentic and await authenticate_row(session, SEALED_ASSIGNMENT, row, at=at)
    ]


async def find_proposed(session: AsyncSession, ids: Collection[UUID]) -> set[UUID]:
    """Find which of these assignments wait for a second person."""
    if not ids:
        return set()
    return {*await session.scalars(_select_waiting(_LINK.c.id).where(_LINK.c.id.in_(ids)))}


async def end_lapsed_proposals(sessions: async_sessionmaker[AsyncSession], clock: Clock) -> int:
    """End every proposal that nobody confirmed in 72 hours; return their number. A loop of the worker.

    One in one transaction. Nobody is told: nobody was told of the proposal. Raises Fault `opslag_niet_bereikbaar`.
    """
    total, after = 0, UUID(int=0)
    while True:
        at = clock.now()
        lapsed = _select_waiting(_LINK.c.id, _build_owner().label("organisation_id")).where(
            _ASSIGNMENT.c.assigned_at <= at - CONFIRMATION_PERIOD, _LINK.c.id > after
        )
        async with unit_of_work(sessions) as session:
            rows = (await session.execute(lapsed.order_by(_LINK.c.id).limit(_BATCH_SIZE))).all()
        for row in rows:
            async with unit_of_work(sessions) as session:
                total += await _end_lapsed(session, MachtigingId(row.id), row.organisation_id, at=at)
        if len(rows) < _BATCH_SIZE:
            return total
        after = rows[-1].id


async def _end_lapsed(session: AsyncSession, link_id: MachtigingId, organisation_id: UUID, *, at: datetime) -> bool:
    """End one, unless it was decided while this waited for its lock."""
    links = await lock_live_links(session, LINK.c.id == link_id)
    if not links or link_id not in await find_proposed(session, [link_id]):
        return False
    line = NewJournalLine(
        act=JournalAct.TOEWIJZING_VERVALLEN,
        outcome=JournalOutcome.DONE,
        reason=_LAPSED,
        object_kind="toewijzing",
        on_behalf_of=organisation_id,
    )
    await end_links(session, links, line, at=at)
    return True
