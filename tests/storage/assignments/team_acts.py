"""Acts on teams of an organisation that assigns, and who reads then."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from machtiging.delegation.amendments.readers import choose_excluded_teams
from machtiging.delegation.assignments.clients import has_reader, load_organisation_clients
from machtiging.delegation.authority.queries import load_authorities
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.caseload.standing_clients import select_standing_clients
from machtiging.delegation.offer import Giver
from machtiging.delegation.rules import MachtigingState
from machtiging.delegation.tables import MachtigingRow
from machtiging.delegation.team_members.membership import join_team, leave_team, stop_team
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Refusal
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.organisations.rules import ActingEmployee
from machtiging.organisations.teams.administration import create_team
from machtiging.storage.columns import table_of
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON, load_keyring
from tests.builders.rows import EMPLOYEES
from tests.storage.assignments.assignment_world import Assignments

LINK = table_of(MachtigingRow)
TOLD, STOPPED = "toewijzing_gemaakt", "toewijzing_gestopt"
TEAM_TOLD, TEAM_STOPPED = "team_toegewezen", "team_gestopt"


class TeamActs:
    """The acts of an organisatiebeheerder on teams, each in its own transaction."""

    def __init__(self, office: Assignments, actor: ActingEmployee) -> None:
        self.office, self.actor = office, actor

    @classmethod
    async def begin(cls, office: Assignments) -> TeamActs:
        person, employee = await office.hire("Astrid Beheer", roles=["organisatiebeheerder"])
        return cls(office, ActingEmployee(person, employee, office.organisation))

    async def act(self, act: Any, *values: Any, at: Any = NOON) -> Any:
        """Do one act; the code of a refusal."""
        try:
            async with unit_of_work(self.office.database.sessions) as session:
                return await act(session, *values, at=at)
        except Refusal as refusal:
            return refusal.code

    async def make(self, name: str = "Schulden", *members: UUID) -> UUID:
        """A team with these members."""
        team = await self.act(create_team, self.actor, name)
        for member in members:
            assert await self.join(team, member) is None
        return UUID(str(team))

    async def join(self, team: UUID, employee: UUID, **changes: Any) -> Any:
        level = changes.pop("level", Assurance.HIGH)
        return await self.act(join_team, load_keyring(), self.actor, team, employee, level, **changes)

    async def leave(self, team: UUID, employee: UUID, **changes: Any) -> Any:
        return await self.act(leave_team, self.actor, team, employee, **changes)

    async def stop(self, team: UUID) -> Any:
        return await self.act(stop_team, self.actor, team)

    async def assign(self, machtiging: MachtigingId, team: UUID, **changes: Any) -> Any:
        """Assign to the team. Returns the id, or the code of the refusal."""
        return await self.office.assign(machtiging, **{"employee_id": None, "team_id": team} | changes)

    async def find_links(self, employee: UUID) -> list[MachtigingId]:
        """The live links by which this employee reads now, as the guard decides."""
        return sorted(one.machtiging_id for one in await self._load_links(employee) if one.stop_reason(NOON) is None)

    async def _load_links(self, employee: UUID) -> list[Authority]:
        async with self.office.database.sessions() as session:
            mine = (LINK.c.employee_id == employee) & (LINK.c.state != MachtigingState.ENDED.value)
            return await load_authorities(session, mine, at=NOON)

    async def reads(self, employee: UUID, root: MachtigingId | None = None) -> bool:
        """True if the employee reads now; the lists must say the same."""
        by_guard = await self.find_links(employee)
        person = await self.find_person(employee)
        assert await self._list_standing(person) == by_guard
        async with self.office.database.sessions() as session:
            found = [await self._find_root(session, one) for one in by_guard]
            if root is not None:
                clients = await load_organisation_clients(
                    session, load_keyring(), self.office.organisation, [root], at=NOON
                )
                readers = set(clients[root].reader_ids) if root in clients else set()
                assigned = [one.root.id for one in await self._load_links(employee) if one.is_assigned(NOON)]
                assert (employee in readers) == (root in assigned and root in clients)
                assert await has_reader(session, self.office.organisation, root, at=NOON) == bool(readers)
        return bool(found) if root is None else root in found

    async def _list_standing(self, person: PersonId) -> list[MachtigingId]:
        standing = select_standing_clients()
        async with self.office.database.sessions() as session:
            login = {"person_id": person, "organisation_kvk": self.office.kvk, "at": NOON, "limit": 100}
            return sorted(await session.scalars(select(standing.c.machtiging_id), login))

    async def find_person(self, employee: UUID) -> PersonId:
        return PersonId(await EMPLOYEES.read_value(self.office.database, "person_id", id=employee))

    async def _find_root(self, session: Any, link: MachtigingId) -> MachtigingId:
        above = LINK.alias()
        query = select(above.c.parent_id, above.c.id).join(LINK, LINK.c.parent_id == above.c.id)
        row = (await session.execute(query.where(LINK.c.id == link))).one()
        return MachtigingId(row.parent_id or row.id)


async def choose_teams(office: Assignments, root: MachtigingId, *refused: UUID) -> None:
    """Let the giver refuse these teams, and no other."""
    giver = Giver(office.client, Assurance.HIGH)
    async with unit_of_work(office.database.sessions) as session:
        await choose_excluded_teams(session, root, giver, frozenset(refused), at=NOON)


async def count_messages(office: Assignments) -> dict[str, int]:
    """The number of messages to the client about readers, by kind."""
    kinds = (TOLD, STOPPED, TEAM_TOLD, TEAM_STOPPED)
    return {kind: found for kind in kinds if (found := (await office.load_recipients(kind)).count(office.client))}
