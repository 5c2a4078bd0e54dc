"""An office with two employees and clients, for pages and API."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from machtiging.delegation.assignments.insertion import NewAssignment, insert_assignment
from machtiging.delegation.queries import load_machtiging
from machtiging.identity.people import Profile, find_or_create_by_bsn, save_profile
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.ids import MachtigingId, PersonId, uuid7
from tests.builders.helping import HelperSession, open_helper_session
from tests.builders.machtiging import build_relative_row, insert_machtiging
from tests.builders.organisations import KVK, add_employee, add_organisation
from tests.protocol.letters.box import fill_box

# Test numbers of people who do not exist.
NUMBERS = ("999990032", "999990044", "999990056", "999990068", "999990081", "999990093", "999990111", "999990123")


@dataclass
class WorkOffice:
    """An organisation, its employees and its clients. `worker` is the person whose pages are tested."""

    world: Any
    portal: Any
    organisation: UUID
    worker: PersonId
    employee: UUID
    kvk: str = KVK
    numbers: list[str] = field(default_factory=lambda: list(NUMBERS))
    people: dict[str, PersonId] = field(default_factory=dict)

    @classmethod
    async def open(cls, world: Any, portal: Any, kvk: str = KVK) -> WorkOffice:
        """An organisation of which the helper of the world is an employee."""
        async with world.sessions.begin() as session:
            organisation = await add_organisation(session, kvk)
            employee = await add_employee(session, organisation, world.helper, starts_at=world.clock.now())
        return cls(world, portal, organisation, world.helper, employee, kvk)

    async def add_person(self, name: str, born: Any = None) -> PersonId:
        """A citizen with this profile."""
        async with self.world.sessions.begin() as session:
            at, keyring = self.world.clock.now(), self.world.keyring
            person = await find_or_create_by_bsn(session, keyring, Bsn(self.numbers.pop(0)), at=at)
            await save_profile(session, keyring, person, Profile(name, born, None))
        self.people[name] = person
        return person

    async def grant(self, person: PersonId, **changes: Any) -> MachtigingId:
        """Insert a machtiging of this person to the organisation."""
        row = {"id": uuid7(), **build_relative_row(person, self.worker, self.world.clock.now())}
        row |= {"gemachtigde_id": self.organisation, "capacity": "professional"}
        async with self.world.sessions.begin() as session:
            return await insert_machtiging(session, **(row | changes))

    async def assign(
        self, root: MachtigingId, employee: UUID | None = None, reference: str | None = None
    ) -> MachtigingId:
        """Assign it. Returns what the employee holds."""
        async with self.world.sessions.begin() as session:
            parent = await load_machtiging(session, root)
            by = employee or self.employee
            values = NewAssignment(by, by, self.worker, Assurance.SUBSTANTIAL, case_reference=reference)
            inserted = await insert_assignment(session, parent, values, at=self.world.clock.now())
        return inserted.machtiging.id

    async def add_client(
        self, name: str, born: Any = None, *subjects: str, reference: str | None = None, **changes: Any
    ) -> MachtigingId:
        """A client of the worker with letters, the newest first. Returns what the worker holds."""
        person = await self.add_person(name, born)
        if subjects:
            await fill_box(self.world, person, list(subjects))
        return await self.assign(await self.grant(person, **changes), reference=reference)

    async def log_in(
        self, person: PersonId | None = None, kvk: str | None = None, level: Assurance = Assurance.SUBSTANTIAL
    ) -> HelperSession:
        """Log in for the organisation."""
        return await open_helper_session(self.portal, person or self.worker, None, level, kvk or self.kvk)

    def days(self, number: int) -> Any:
        """This many days from now."""
        return self.world.clock.now() + timedelta(days=number)
