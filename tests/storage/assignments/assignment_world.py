"""A recognised organisation that assigns, with acts in transactions of their own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

from machtiging.delegation.assignments.creation import assign_machtigingen
from machtiging.delegation.assignments.rules import AssignmentRequest, EmployeeLogin
from machtiging.delegation.assignments.termination import end_assignments
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Refusal
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import Database
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import insert_machtiging
from tests.builders.organisations import KVK, add_employee, add_organisation
from tests.builders.people import BORN, MOTHER, add_person, add_person_without_bsn
from tests.builders.rows import JOURNAL_INTAKE, NOTIFICATIONS


@dataclass
class Assignments:
    """The acts, as a teamleider of the organisation unless another login is given."""

    database: Database
    organisation: UUID
    client: PersonId
    leader: PersonId
    leader_id: UUID
    worker: PersonId
    worker_id: UUID
    kvk: str = KVK

    @classmethod
    async def begin(cls, database: Database, kvk: str = KVK) -> Assignments:
        async with unit_of_work(database.sessions) as session:
            client = await add_person(session, MOTHER, "Ans Voorbeeld", BORN, "ans@voorbeeld.example")
            people = [await add_person_without_bsn(session, f"{name} {kvk}", None) for name in ("Saskia", "Fatima")]
            organisation = await add_organisation(session, kvk)
            leader_id = await add_employee(session, organisation, people[0], roles=["teamleider"])
            worker_id = await add_employee(session, organisation, people[1])
        return cls(database, organisation, client, people[0], leader_id, people[1], worker_id, kvk)

    def login(self, person: PersonId | None = None, **changes: Any) -> EmployeeLogin:
        values = {"person_id": person or self.leader, "kvk": self.kvk, "assurance": Assurance.SUBSTANTIAL}
        return EmployeeLogin(**(values | changes))

    async def hire(self, name: str = "Omar", born: date | None = None, **changes: Any) -> tuple[PersonId, UUID]:
        """Another employee, with a person."""
        async with unit_of_work(self.database.sessions) as session:
            person = await add_person_without_bsn(session, f"{name} {uuid4()}" if born is None else name, born)
            return person, await add_employee(session, self.organisation, person, **changes)

    async def grant(self, **changes: Any) -> MachtigingId:
        """A machtiging of the client to the organisation, assigned to nobody."""
        row = {
            "vertegenwoordigde_id": self.client,
            "gemachtigde_id": self.organisation,
            "capacity": "professional",
            "purpose": "post bijhouden",
            "legal_ground": "Awb 2:1",
            "state": "active",
            "excluded_themes": [],
            "highest_sensitivity": "gevoelig",
            "letters_from": date(2026, 1, 1),
            "acts": ["lijst", "lezen", "downloaden"],
            "assurance": "substantieel",
            "accepted_assurance": "substantieel",
            "starts_at": NOON - timedelta(days=1),
            "ends_at": NOON + timedelta(days=89),
            "offered_at": NOON - timedelta(days=1),
            "accepted_at": NOON - timedelta(days=1),
        }
        async with unit_of_work(self.database.sessions) as session:
            return await insert_machtiging(session, **(row | changes))

    async def link(self, parent: MachtigingId, **changes: Any) -> MachtigingId:
        """A link under a machtiging, as another act would leave it."""
        return await self.grant(parent_id=parent, gemachtigde_id=None, **changes)

    async def assign_all(self, *requests: AssignmentRequest, login: EmployeeLogin | None = None) -> list[Any]:
        async with unit_of_work(self.database.sessions) as session:
            return await assign_machtigingen(session, load_keyring(), login or self.login(), requests, at=NOON)

    async def assign(self, machtiging: MachtigingId, employee: UUID | None = None, **changes: Any) -> Any:
        """Assign one. Returns the id of the assignment, or the code of the refusal."""
        values = {"employee_id": employee or self.worker_id} | changes
        login = values.pop("login", None)
        try:
            (result,) = await self.assign_all(AssignmentRequest(machtiging, **values), login=login)
        except Refusal as refusal:
            return refusal.code
        return result.code if isinstance(result, Refusal) else result

    async def end(self, *ids: MachtigingId, login: EmployeeLogin | None = None) -> list[Any]:
        """End some. Returns the id of each, or the code of its refusal."""
        try:
            async with unit_of_work(self.database.sessions) as session:
                results = await end_assignments(session, login or self.login(), ids, at=NOON)
        except Refusal as refusal:
            return [refusal.code]
        return [one.code if isinstance(one, Refusal) else one for one in results]

    async def authority(self, machtiging: MachtigingId) -> Authority:
        async with self.database.sessions() as session:
            found = await load_authority(session, machtiging, at=NOON)
        assert found is not None
        return found

    async def lines(self, act: str) -> list[Any]:
        return list(await JOURNAL_INTAKE.read(self.database, act=f"toewijzing:{act}"))

    async def load_recipients(self, kind: str) -> list[Any]:
        return await NOTIFICATIONS.read_column(self.database, "person_id", kind=kind)
