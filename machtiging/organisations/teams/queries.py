"""Load teams and their members. A row whose MAC fails is refused, or left out of a list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Uuid, any_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.row_authentication import authenticate_row
from machtiging.kernel.errors import ROW_INVALID, Conflict, NotAllowed, NotFound
from machtiging.organisations.queries import OF_OTHERS
from machtiging.organisations.tables import SEALED_TEAM, SEALED_TEAM_MEMBERSHIP, Team, TeamMembership
from machtiging.storage.columns import table_of

TEAM, MEMBERSHIP = table_of(Team), table_of(TeamMembership)


@dataclass(frozen=True, slots=True)
class TeamView:
    """A team that was not ended, with the employees who are in it now."""

    id: UUID
    name: str
    member_ids: frozenset[UUID]


async def list_teams(
    session: AsyncSession, organisation_id: UUID, *, at: datetime, after: UUID | None = None, limit: int | None = None
) -> list[TeamView]:
    """List the teams that were not ended, in order of their id, in two statements."""
    present = (TEAM.c.organisation_id == organisation_id, TEAM.c.ended_at.is_(None))
    query = select(TEAM).where(*present).order_by(TEAM.c.id).limit(limit)
    if after is not None:
        query = query.where(TEAM.c.id > after)
    rows = (await session.execute(query)).all()
    return await _build_views(session, rows, at)


async def load_team(session: AsyncSession, organisation_id: UUID, team_id: UUID, *, at: datetime) -> TeamView:
    """Load one team. Raises NotFound `team_onbekend`, also for one of others and one that was ended."""
    mine = (TEAM.c.id == team_id, TEAM.c.organisation_id == organisation_id, TEAM.c.ended_at.is_(None))
    views = await _build_views(session, (await session.execute(select(TEAM).where(*mine))).all(), at)
    if not views:
        raise NotFound("team_onbekend")
    return views[0]


async def require_open_team(session: AsyncSession, organisation_id: UUID, team_id: UUID, *, at: datetime) -> TeamView:
    """Load a team that was not ended. Raises as `lock_team`."""
    row = (await session.execute(select(TEAM).where(TEAM.c.id == team_id))).one_or_none()
    return (await _build_views(session, [await _require_open(session, row, organisation_id, at)], at))[0]


async def find_members_since(session: AsyncSession, team_id: UUID | None, at: datetime) -> set[UUID]:
    """Find the employees who are in the team since this instant or longer. Verifies no MAC."""
    since = (MEMBERSHIP.c.team_id == team_id, MEMBERSHIP.c.ends_at.is_(None), MEMBERSHIP.c.starts_at <= at)
    return {*await session.scalars(select(MEMBERSHIP.c.employee_id).where(*since))}


async def load_team_names(session: AsyncSession, organisation_id: UUID, *, at: datetime) -> dict[UUID, str]:
    """Load the names of all teams of an organisation by id, ended ones included."""
    rows = (await session.execute(select(TEAM).where(TEAM.c.organisation_id == organisation_id))).all()
    return {row.id: row.name for row in rows if await authenticate_row(session, SEALED_TEAM, row, at=at)}


async def count_teams(session: AsyncSession, organisation_id: UUID) -> int:
    """Count the teams that were not ended."""
    present = (TEAM.c.organisation_id == organisation_id, TEAM.c.ended_at.is_(None))
    return await session.scalar(select(func.count()).select_from(TEAM).where(*present)) or 0


async def count_members(session: AsyncSession, organisation_id: UUID, team_ids: Collection[UUID]) -> dict[UUID, int]:
    """Count the members of these teams of the organisation. No team of others is in it. Verifies no MAC."""
    joined = TEAM.join(MEMBERSHIP, MEMBERSHIP.c.team_id == TEAM.c.id)
    mine = (TEAM.c.organisation_id == organisation_id, TEAM.c.id == any_(literal(sorted({*team_ids}), ARRAY(Uuid()))))
    query = select(TEAM.c.id, func.count()).select_from(joined).where(*mine, MEMBERSHIP.c.ends_at.is_(None))
    return {row[0]: row[1] for row in (await session.execute(query.group_by(TEAM.c.id))).all()}


async def find_team_with_name(session: AsyncSession, organisation_id: UUID, name: str) -> UUID | None:
    """Find the team that has or had this name, in capitals or not."""
    same = (TEAM.c.organisation_id == organisation_id, func.lower(TEAM.c.name) == func.lower(name))
    found: UUID | None = await session.scalar(select(TEAM.c.id).where(*same))
    return found


async def lock_team(session: AsyncSession, organisation_id: UUID, team_id: UUID, *, at: datetime) -> Row[Any]:
    """Load a team FOR UPDATE. Lock the organisation first.

    Raises NotFound `team_onbekend`, NotAllowed `rij_ongeldig` or Conflict `team_beeindigd`.
    """
    mine = select(TEAM).where(TEAM.c.id == team_id).with_for_update(key_share=True)
    return await _require_open(session, (await session.execute(mine)).one_or_none(), organisation_id, at)


async def _require_open(session: AsyncSession, row: Row[Any] | None, organisation_id: UUID, at: datetime) -> Row[Any]:
    if row is None or row.organisation_id != organisation_id:
        raise NotFound("team_onbekend", private="" if row is None else OF_OTHERS)
    if not await authenticate_row(session, SEALED_TEAM, row, at=at):
        raise NotAllowed(ROW_INVALID)
    if row.ended_at is not None:
        raise Conflict("team_beeindigd")
    return row


async def lock_membership(session: AsyncSession, team_id: UUID, employee_id: UUID) -> Row[Any] | None:
    """Load the open membership of this employee FOR UPDATE, or None. Lock the team first."""
    mine = (MEMBERSHIP.c.team_id == team_id, MEMBERSHIP.c.employee_id == employee_id, MEMBERSHIP.c.ends_at.is_(None))
    return (await session.execute(select(MEMBERSHIP).where(*mine).with_for_update(key_share=True))).one_or_none()


async def _build_views(session: AsyncSession, rows: Sequence[Row[Any]], at: datetime) -> list[TeamView]:
    teams = [row for row in rows if await authenticate_row(session, SEALED_TEAM, row, at=at)]
    mine = (MEMBERSHIP.c.team_id.in_([row.id for row in teams]), MEMBERSHIP.c.ends_at.is_(None))
    members: defaultdict[UUID, set[UUID]] = defaultdict(set)
    if teams:
        for row in (await session.execute(select(MEMBERSHIP).where(*mine))).all():
            if await authenticate_row(session, SEALED_TEAM_MEMBERSHIP, row, at=at):
                members[row.team_id].add(row.employee_id)
    return [TeamView(row.id, row.name, frozenset(members[row.id])) for row in teams]
