"""An organisatiebeheerder makes, renames and ends teams, and adds and removes members.

Each act locks the organisation, so that acts on its teams and employees wait for each other. A suspended organisation
changes no team: a client may have refused one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct
from machtiging.kernel.errors import Conflict, NotAllowed
from machtiging.kernel.ids import uuid7
from machtiging.organisations.employees import lock_own_organisation
from machtiging.organisations.journal_lines import OrganisationAct, SealedRows, journal_act, journal_refusal
from machtiging.organisations.queries import find_current_status, lock_employee
from machtiging.organisations.rules import (
    ActingEmployee,
    EmployeeState,
    OrganisationActor,
    RecognitionStatus,
    require_team_name,
)
from machtiging.organisations.tables import SEALED_TEAM, SEALED_TEAM_MEMBERSHIP
from machtiging.organisations.teams.queries import (
    MEMBERSHIP,
    TEAM,
    count_teams,
    find_team_with_name,
    lock_membership,
    lock_team,
)
from machtiging.storage.row_mac import reseal_changes, seal_row

# A page shows all teams of an organisation.
MAX_TEAMS = 200


async def create_team(session: AsyncSession, actor: ActingEmployee, name: str, *, at: datetime) -> UUID:
    """Make a team without members. Returns the id.

    The name of a team that was ended is not free: a client may have refused it. Raises InvalidInput
    `teamnaam_ongeldig`, NotAllowed `alleen_voor_organisatiebeheerder`, `organisatie_opgeschort` or
    `organisatie_niet_erkend`, and Conflict `team_bestaat_al` or `te_veel_teams`.
    """
    require_team_name(name)
    team_id = uuid7()
    act = _build_act(JournalAct.TEAM_GEMAAKT, actor, team_id, at)
    async with journal_refusal(session, act):
        await _lock_organisation(session, actor, at)
        await _require_free_name(session, actor, name, None)
        if await count_teams(session, actor.organisation_id) >= MAX_TEAMS:
            raise Conflict("te_veel_teams", params={"limit": MAX_TEAMS})
    row = seal_row(session, SEALED_TEAM, {"id": team_id, "organisation_id": actor.organisation_id, "name": name})
    await session.execute(insert(TEAM).values(row))
    await journal_act(session, act, "gemaakt", [(SEALED_TEAM, row)])
    return team_id


async def rename_team(session: AsyncSession, actor: ActingEmployee, team_id: UUID, name: str, *, at: datetime) -> None:
    """Give a team another name. The same name changes nothing.

    Raises as `create_team`, and NotFound `team_onbekend` or Conflict `team_beeindigd`.
    """
    require_team_name(name)
    act = _build_act(JournalAct.TEAM_GEWIJZIGD, actor, team_id, at)
    async with journal_refusal(session, act):
        await _lock_organisation(session, actor, at)
        row = await lock_team(session, actor.organisation_id, team_id, at=at)
        await _require_free_name(session, actor, name, team_id)
    if row.name != name:
        await journal_act(session, act, "naam", [await _change_team(session, row, {"name": name})])


async def end_team(session: AsyncSession, actor: ActingEmployee, team_id: UUID, *, at: datetime) -> None:
    """End a team for good, with its memberships.

    Raises NotAllowed as `create_team`, NotFound `team_onbekend` and Conflict `team_beeindigd`.
    """
    act = _build_act(JournalAct.TEAM_BEEINDIGD, actor, team_id, at)
    async with journal_refusal(session, act):
        await _lock_organisation(session, actor, at)
        row = await lock_team(session, actor.organisation_id, team_id, at=at)
    rows = await _end_memberships(session, MEMBERSHIP.c.team_id == team_id, at)
    await journal_act(session, act, "beeindigd", [await _change_team(session, row, {"ended_at": at}), *rows])


async def add_member(
    session: AsyncSession, actor: ActingEmployee, team_id: UUID, employee_id: UUID, *, at: datetime
) -> None:
    """Add an active employee of the organisation to a team.

    Raises NotAllowed as `create_team`, NotFound `team_onbekend` or `medewerker_onbekend`, and Conflict
    `team_beeindigd`, `al_vertrokken`, `medewerker_niet_actief` or `al_lid_van_team`.
    """
    act = _build_act(JournalAct.TEAM_LID_TOEGEVOEGD, actor, team_id, at)
    async with journal_refusal(session, act):
        await _lock_organisation(session, actor, at)
        await lock_team(session, actor.organisation_id, team_id, at=at)
        employee = await lock_employee(session, employee_id, actor.organisation_id, at=at)
        if employee.state == EmployeeState.DEPARTED.value:
            raise Conflict("al_vertrokken")
        if employee.state != EmployeeState.ACTIVE.value:
            raise Conflict("medewerker_niet_actief")
        if await lock_membership(session, team_id, employee_id) is not None:
            raise Conflict("al_lid_van_team")
    row = {
        "id": uuid7(),
        "organisation_id": actor.organisation_id,
        "team_id": team_id,
        "employee_id": employee_id,
        "starts_at": at,
    }
    sealed = seal_row(session, SEALED_TEAM_MEMBERSHIP, row)
    await session.execute(insert(MEMBERSHIP).values(sealed))
    await journal_act(session, act, "lid_erbij", [(SEALED_TEAM_MEMBERSHIP, sealed)])


async def remove_member(
    session: AsyncSession, actor: ActingEmployee, team_id: UUID, employee_id: UUID, *, at: datetime
) -> None:
    """Take an employee out of a team.

    Raises NotAllowed as `create_team`, NotFound `team_onbekend` or `medewerker_onbekend`, and Conflict
    `team_beeindigd` or `niet_in_team`.
    """
    act = _build_act(JournalAct.TEAM_LID_BEEINDIGD, actor, team_id, at)
    async with journal_refusal(session, act):
        await _lock_organisation(session, actor, at)
        await lock_team(session, actor.organisation_id, team_id, at=at)
        await lock_employee(session, employee_id, actor.organisation_id, at=at)
        if await lock_membership(session, team_id, employee_id) is None:
            raise Conflict("niet_in_team")
    mine = (MEMBERSHIP.c.team_id == team_id) & (MEMBERSHIP.c.employee_id == employee_id)
    await journal_act(session, act, "lid_eruit", await _end_memberships(session, mine, at))


async def end_memberships_of_employee(
    session: AsyncSession, actor: OrganisationActor, organisation_id: UUID, employee_id: UUID, *, at: datetime
) -> None:
    """Take an employee who leaves out of every team, with one journal line. Lock the organisation first."""
    rows = await _end_memberships(session, MEMBERSHIP.c.employee_id == employee_id, at)
    if rows:
        kind = JournalAct.TEAM_LID_BEEINDIGD
        act = OrganisationAct(kind, actor, organisation_id, at, "medewerker", str(employee_id))
        await journal_act(session, act, "vertrek", rows)


async def _lock_organisation(session: AsyncSession, actor: ActingEmployee, at: datetime) -> None:
    """Lock a recognised organisation for its organisatiebeheerder.

    Raises NotAllowed as `lock_own_organisation`, `organisatie_opgeschort` or `organisatie_niet_erkend`.
    """
    organisation, _present = await lock_own_organisation(session, actor, actor.organisation_id, at)
    status = await find_current_status(session, organisation, at=at)
    if status is RecognitionStatus.SUSPENDED:
        raise NotAllowed("organisatie_opgeschort", message="organisatie_opgeschort.team")
    if status is not RecognitionStatus.RECOGNISED:
        raise NotAllowed("organisatie_niet_erkend", message="organisatie_niet_erkend.team")


async def _require_free_name(session: AsyncSession, actor: ActingEmployee, name: str, team_id: UUID | None) -> None:
    """Require that no other team has or had this name. Raises Conflict `team_bestaat_al`."""
    if await find_team_with_name(session, actor.organisation_id, name) not in (None, team_id):
        raise Conflict("team_bestaat_al")


async def _change_team(session: AsyncSession, row: Any, changes: dict[str, Any]) -> Any:
    values = reseal_changes(session, SEALED_TEAM, row, changes)
    changed = update(TEAM).where(TEAM.c.id == row.id).values(values).returning(*TEAM.c)
    return SEALED_TEAM, {**(await session.execute(changed)).mappings().one()}


async def _end_memberships(session: AsyncSession, condition: ColumnElement[bool], at: datetime) -> SealedRows:
    """End the open memberships of this condition. Returns their rows for the journal."""
    open_ones = MEMBERSHIP.select().where(condition, MEMBERSHIP.c.ends_at.is_(None)).order_by(MEMBERSHIP.c.id)
    ended = []
    for row in (await session.execute(open_ones.with_for_update(key_share=True))).all():
        values = reseal_changes(session, SEALED_TEAM_MEMBERSHIP, row, {"ends_at": max(at, row.starts_at)})
        changed = update(MEMBERSHIP).where(MEMBERSHIP.c.id == row.id).values(values).returning(*MEMBERSHIP.c)
        ended.append((SEALED_TEAM_MEMBERSHIP, {**(await session.execute(changed)).mappings().one()}))
    return ended


def _build_act(kind: JournalAct, actor: ActingEmployee, team_id: UUID, at: datetime) -> OrganisationAct:
    return OrganisationAct(kind, actor, actor.organisation_id, at, "team", str(team_id))
