"""Queries on questions to renew. A row with an invalid MAC is treated as absent, and journalled."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.row_authentication import authenticate_row
from machtiging.delegation.renewals.rules import RENEWAL_WINDOW, RenewalQuestion, RenewalState
from machtiging.delegation.tables import SEALED_VERZOEK, MachtigingsverzoekRow
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import reseal_changes

VERZOEK = table_of(MachtigingsverzoekRow)


async def lock_rounds(session: AsyncSession, organisation_id: UUID) -> None:
    """Let one round of an organisation wait for another, until the transaction ends."""
    key = func.hashtextextended(literal(f"verlenging:{organisation_id}"), 0)
    await session.execute(select(func.pg_advisory_xact_lock(key)))


async def load_round(
    session: AsyncSession, round_id: UUID, organisation_id: UUID, employee_id: UUID
) -> list[RenewalQuestion]:
    """Load the questions of a round of this employee. None of them for a round of another."""
    mine = (VERZOEK.c.round_id == round_id, VERZOEK.c.organisation_id == organisation_id)
    return await _load(session, *mine, VERZOEK.c.requested_by == employee_id)


async def load_recent_questions(
    session: AsyncSession, root_ids: Collection[MachtigingId], *, at: datetime
) -> dict[MachtigingId, RenewalQuestion]:
    """Load the last question about each of these machtigingen, of the last thirty days."""
    recent = (VERZOEK.c.extends_id.in_(root_ids), VERZOEK.c.created_at > at - RENEWAL_WINDOW)
    found = await _load(session, *recent) if root_ids else []
    return {one.root_id: one for one in sorted(found, key=lambda one: one.asked_at)}


async def list_questions_to_giver(session: AsyncSession, giver_id: PersonId, *, at: datetime) -> list[RenewalQuestion]:
    """List the questions that wait for this citizen, oldest first."""
    return await _load(session, *_waits_for(giver_id, at))


def select_question_count(giver_id: PersonId, at: datetime) -> Select[Any]:
    """Select the number of questions that wait for this citizen, to load beside others."""
    return select(func.count()).select_from(VERZOEK).where(*_waits_for(giver_id, at))


def _waits_for(giver_id: PersonId, at: datetime) -> tuple[ColumnElement[bool], ...]:
    waiting = VERZOEK.c.state == RenewalState.WAITING.value
    return VERZOEK.c.party_id == giver_id, waiting, VERZOEK.c.expires_at > at, VERZOEK.c.extends_id.is_not(None)


async def load_waiting_question(
    session: AsyncSession, root_id: MachtigingId, giver_id: PersonId, *, at: datetime, lock: bool = False
) -> RenewalQuestion | None:
    """Load the question about this machtiging that waits for its giver."""
    hers = (VERZOEK.c.extends_id == root_id, VERZOEK.c.party_id == giver_id, VERZOEK.c.expires_at > at)
    found = await _load(session, *hers, VERZOEK.c.state == RenewalState.WAITING.value, lock=lock)
    return found[-1] if found else None


async def load_last_question(
    session: AsyncSession, root_id: MachtigingId, giver_id: PersonId
) -> RenewalQuestion | None:
    """Load the last question about this machtiging, in any state."""
    found = await _load(session, VERZOEK.c.extends_id == root_id, VERZOEK.c.party_id == giver_id)
    return found[-1] if found else None


async def update_question(session: AsyncSession, question_id: UUID, changes: Mapping[str, Any]) -> None:
    """Change a question that is locked, with a new MAC."""
    mine = VERZOEK.c.id == question_id
    row = (await session.execute(select(VERZOEK).where(mine).with_for_update())).one()
    await session.execute(update(VERZOEK).where(mine).values(reseal_changes(session, SEALED_VERZOEK, row, changes)))


async def _load(session: AsyncSession, *conditions: ColumnElement[bool], lock: bool = False) -> list[RenewalQuestion]:
    statement = select(VERZOEK).where(*conditions).order_by(VERZOEK.c.created_at, VERZOEK.c.id)
    rows = (await session.execute(statement.with_for_update() if lock else statement)).mappings().all()
    return [
        RenewalQuestion(
            id=row["id"],
            round_id=row["round_id"],
            root_id=MachtigingId(row["extends_id"]),
            giver_id=PersonId(row["party_id"]),
            organisation_id=row["organisation_id"],
            asked_by=row["requested_by"],
            state=RenewalState(row["state"]),
            asked_at=row["created_at"],
            decided_at=row["decided_at"],
            expires_at=row["expires_at"],
        )
        for row in rows
        if await authenticate_row(session, SEALED_VERZOEK, row)
    ]
