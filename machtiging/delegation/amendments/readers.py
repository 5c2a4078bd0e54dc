"""The giver chooses the readers of an organisation: one employee, or "not this team"."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct
from machtiging.delegation.amendments.versions import (
    VersionRows,
    finish_amendment,
    insert_version,
    journal_amendment,
    load_own_machtiging,
    reader_values,
)
from machtiging.delegation.authority.holders import load_descendant_ids, load_employee_links, load_holder_ids
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.offer import Giver
from machtiging.delegation.queries import load_machtiging
from machtiging.delegation.rules import Machtiging, MachtigingState, require_substantial_assurance
from machtiging.delegation.transition import lock_machtiging, notification_facts
from machtiging.kernel.errors import Conflict, InvalidInput, Refusal
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notification
from machtiging.organisations.teams.queries import list_teams

READER_UNKNOWN, TEAM_UNKNOWN = "medewerker_leest_niet", "team_onbekend"
_NOTICES = NotificationKind.LEZERS_DOOR_U, NotificationKind.LEZERS


async def choose_only_reader(
    session: AsyncSession, machtiging_id: MachtigingId, giver: Giver, employee_id: UUID | None, *, at: datetime
) -> Machtiging:
    """Let only this employee of the organisation read, at once; None: everybody whom it assigns.

    Others lose access with their next request, and the organisation can assign nobody else. The same choice again
    changes nothing. None needs the login level of giving, since it gives more.

    Raises NotFound `machtiging_onbekend`, NotAllowed `rij_ongeldig` or `niveau_te_laag`, Conflict
    `machtiging_niet_aangenomen`, `machtiging_beeindigd`, `machtiging_verlopen` or `geen_organisatie`, InvalidInput
    `medewerker_leest_niet` for an employee to whom it is not assigned now. A refusal is journalled too.
    """
    authority = await load_own_machtiging(session, JournalAct.MACHTIGING_LEZERS, machtiging_id, giver.person_id, at)
    before = authority.root
    try:
        _require_organisation_reads(authority, at)
        if employee_id == before.only_employee_id:
            return before
        if employee_id is None:
            require_substantial_assurance(giver.assurance)
        elif employee_id not in {one.leaf.employee_id for one in await load_employee_links(session, before.id, at=at)}:
            raise InvalidInput(READER_UNKNOWN)
    except Refusal as refusal:
        await journal_amendment(session, JournalAct.MACHTIGING_LEZERS, authority, giver.person_id, refusal.code, at)
        raise
    return await _save_choice(
        session, authority, {"only_employee_id": employee_id}, gives_more=employee_id is None, at=at
    )


async def choose_excluded_teams(
    session: AsyncSession, machtiging_id: MachtigingId, giver: Giver, team_ids: frozenset[UUID], *, at: datetime
) -> Machtiging:
    """Let nobody of these teams of the organisation read, at once, however it is assigned. The rest may.

    Members lose access with their next request. The same choice again changes nothing. A team that was refused and no
    longer is needs the login level of giving, since that gives more.

    Raises as `choose_only_reader`, and InvalidInput `team_onbekend` for a team that the organisation does not have.
    """
    authority = await load_own_machtiging(session, JournalAct.MACHTIGING_LEZERS, machtiging_id, giver.person_id, at)
    before = authority.root
    gives_more = not before.excluded_team_ids <= team_ids
    try:
        organisation_id = _require_organisation_reads(authority, at)
        if team_ids == before.excluded_team_ids:
            return before
        if gives_more:
            require_substantial_assurance(giver.assurance)
        if added := team_ids - before.excluded_team_ids:
            teams = await list_teams(session, organisation_id, at=at)
            if not added <= {team.id for team in teams}:
                raise InvalidInput(TEAM_UNKNOWN)
    except Refusal as refusal:
        await journal_amendment(session, JournalAct.MACHTIGING_LEZERS, authority, giver.person_id, refusal.code, at)
        raise
    return await _save_choice(session, authority, {"excluded_team_ids": sorted(team_ids)}, gives_more=gives_more, at=at)


async def _save_choice(
    session: AsyncSession, authority: Authority, changes: dict[str, Any], *, gives_more: bool, at: datetime
) -> Machtiging:
    """Insert the version with this choice. Tell the giver and both former and present readers."""
    before, giver_id = authority.root, authority.vertegenwoordigde_id
    former_ids = set(await load_holder_ids(session, authority, at=at))
    rows = await insert_version(session, before, changes, giver_id, at)
    if gives_more:
        rows += await _open_assignments(session, before.id, reader_values(before) | changes, giver_id, at)
    after = await finish_amendment(session, JournalAct.MACHTIGING_LEZERS, authority, rows, _NOTICES, at)
    for holder_id in sorted(former_ids - set(await load_holder_ids(session, authority, at=at))):
        facts = notification_facts(after, holder_id)
        await enqueue_notification(session, holder_id, NotificationKind.LEZERS, facts, at=at)
    return after


def _require_organisation_reads(authority: Authority, at: datetime) -> UUID:
    """Require an accepted machtiging of an organisation that is not over. Returns its id. Raises Conflict."""
    root = authority.root
    if root.accepted_at is None:
        raise Conflict("machtiging_niet_aangenomen")
    if root.state is MachtigingState.ENDED:
        raise Conflict("machtiging_beeindigd")
    if at >= root.period.ends_at:
        raise Conflict("machtiging_verlopen")
    if authority.organisation is None:
        raise Conflict("geen_organisatie")
    return authority.organisation.id


async def _open_assignments(
    session: AsyncSession, root_id: MachtigingId, choice: dict[str, Any], giver_id: PersonId, at: datetime
) -> VersionRows:
    """Give the links below the same choice as the root. Those made while it was narrower have a copy of it."""
    rows: VersionRows = []
    for link_id in await load_descendant_ids(session, root_id):
        await lock_machtiging(session, link_id)
        link = await load_machtiging(session, link_id)
        if link is not None and link.state is not MachtigingState.ENDED and reader_values(link) != choice:
            rows += await insert_version(session, link, choice, giver_id, at)
    return rows
