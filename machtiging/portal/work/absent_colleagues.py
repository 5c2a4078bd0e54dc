"""The absent colleagues and the teams by which an employee reads, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.dependencies import access_services
from machtiging.delegation.authority.rules import Authority
from machtiging.organisations.employee_names import load_named_employees
from machtiging.organisations.teams.queries import load_team_names


async def load_replaced_names(
    request: Request, session: AsyncSession, authorities: Sequence[Authority]
) -> Mapping[UUID, str]:
    """Load the name of the absent colleague of each stand-in, by machtiging. No statement without a stand-in."""
    services = access_services(request)
    absent = {
        one.machtiging_id: one.absent_employee
        for one in authorities
        if one.stand_in is not None and one.absent_employee is not None
    }
    if not absent:
        return {}
    organisation_id = next(iter(absent.values())).organisation_id
    ids = {one.id for one in absent.values()}
    found = await load_named_employees(session, services.keyring, organisation_id, ids, at=services.clock.now())
    return {machtiging_id: found[one.id].name for machtiging_id, one in absent.items() if one.id in found}


async def load_reading_teams(
    request: Request, session: AsyncSession, authorities: Sequence[Authority]
) -> Mapping[UUID, str]:
    """Load the name of the team by which a client is read, by machtiging. No statement without one."""
    by_team = {one.machtiging_id: one.team_id for one in authorities if one.team_id is not None}
    organisations = {one.organisation.id for one in authorities if one.team_id is not None and one.organisation}
    names: dict[UUID, str] = {}
    for organisation_id in organisations:
        names |= await load_team_names(session, organisation_id, at=access_services(request).clock.now())
    return {machtiging_id: names[team_id] for machtiging_id, team_id in by_team.items() if team_id in names}
