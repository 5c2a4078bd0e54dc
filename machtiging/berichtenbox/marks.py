"""Change the marks of a letter, or soft delete it. Only the citizen may, through the guard."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy, issue_permit
from machtiging.berichtenbox.queries import BERICHT, build_access_target, find_bericht
from machtiging.delegation.rules import Act
from machtiging.kernel.errors import NotFound


@dataclass(frozen=True, slots=True)
class BerichtMarks:
    """The citizen's marks on a letter."""

    read: bool
    folder: str | None
    changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class MarksChange:
    """A change of the marks. Only the names in `fields` ("read", "folder") are changed."""

    fields: frozenset[str]
    read: bool
    folder: str | None


async def update_marks(
    session: AsyncSession, policy: Policy, actor: Actor, bericht_id: UUID, change: MarksChange, *, at: datetime
) -> BerichtMarks:
    """Change the citizen's marks. Raises as the guard does; NotAllowed for a helper with access."""
    found = await find_bericht(session, bericht_id, actor.person_id, at)
    permit = await issue_permit(
        session, policy, actor, Act.MARK, build_access_target(found, "bericht", bericht_id), at=at
    )
    values: dict[str, Any] = {}
    if "read" in change.fields:
        values["read_at"] = (
            (found["read_at"] if found is not None and found["read_at"] else at) if change.read else None
        )
    if "folder" in change.fields:
        values["folder"] = change.folder
    if values:
        values["changed_at"] = at
    statement = update(BERICHT).where(BERICHT.c.id == permit.bericht_id_for(Act.MARK), BERICHT.c.deleted_at.is_(None))
    statement = statement.values(**(values or {"id": BERICHT.c.id}))
    row = (
        await session.execute(statement.returning(BERICHT.c.read_at, BERICHT.c.folder, BERICHT.c.changed_at))
    ).first()
    if row is None:
        raise NotFound("bericht_onbekend", private="deleted meanwhile")
    return BerichtMarks(row.read_at is not None, row.folder, row.changed_at)


async def soft_delete_bericht(
    session: AsyncSession, policy: Policy, actor: Actor, bericht_id: UUID, *, at: datetime
) -> None:
    """Hide the letter from the box. The row stays until its retention ends. Raises as the guard does."""
    found = await find_bericht(session, bericht_id, actor.person_id, at)
    permit = await issue_permit(
        session, policy, actor, Act.DELETE, build_access_target(found, "bericht", bericht_id), at=at
    )
    deletion = update(BERICHT).where(BERICHT.c.id == permit.bericht_id_for(Act.DELETE), BERICHT.c.deleted_at.is_(None))
    await session.execute(deletion.values(deleted_at=at, changed_at=at))
