"""Organisations for tests of the acts. Operators, employees, and the whole way to a recognition."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.audit.acts import JournalAct
from machtiging.identity.people import Profile
from machtiging.identity.rules import VerifiedLogin
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.clock import SettableClock
from machtiging.kernel.errors import Refusal
from machtiging.kernel.ids import PersonId
from machtiging.organisations.employees import activate_employee, invite_employee, load_administrator
from machtiging.organisations.recognition import confirm_recognition, propose_recognition
from machtiging.organisations.registration import register_organisation
from machtiging.organisations.rules import (
    ActingEmployee,
    ActingOperator,
    Ceiling,
    EmployeeInvitation,
    EmployeeRole,
    OrganisationKind,
    OrganisationNumbers,
    OrganisationRegistration,
    RecognitionProposal,
    RecognitionStatus,
)
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import Database
from tests.builders.keys import NOON, load_keyring
from tests.builders.people import add_person_without_bsn
from tests.builders.rows import JOURNAL_INTAKE

KVK, OTHER_KVK = "90000001", "90000002"
BROKER = "https://inloggen.test"
CEILING = Ceiling(frozenset({Theme.ZORG, Theme.WONEN}), None, Sensitivity.GEVOELIG, 365)
COMMAND_LINE = ActingOperator(None, "jan")
LISTING = JournalAct.MEDEWERKER_LIJST
REQUEST = RecognitionProposal(RecognitionStatus.REQUESTED, "aanvraag", "B-1")
ADMINISTRATOR = frozenset({EmployeeRole.ADMINISTRATOR})
CARE_WORKER = frozenset({EmployeeRole.CARE_WORKER})
RECOGNISED = RecognitionProposal(RecognitionStatus.RECOGNISED, "voldoet aan de eisen", "B-2")


def make_registration(kvk: str | None = KVK, **numbers: str) -> OrganisationRegistration:
    return OrganisationRegistration(
        OrganisationNumbers(kvk, **numbers), "Wijkteam Noord", OrganisationKind.WELZIJN, CEILING
    )


def make_invitation(subject: str, roles: frozenset[EmployeeRole] = CARE_WORKER) -> EmployeeInvitation:
    return EmployeeInvitation(BROKER, subject, f"Medewerker {subject}", roles)


@dataclass
class OrganisationWorld:
    """Acts in transactions of their own, on a database with two operators."""

    database: Database
    clock: SettableClock = field(default_factory=lambda: SettableClock(NOON))
    operators: list[ActingOperator] = field(default_factory=list)

    async def add_operators(self) -> None:
        """Add two operators, who are different people."""
        for name, born in (("Saskia Vermeulen", date(1975, 3, 1)), ("Omar Benali", date(1982, 7, 9))):
            self.operators.append(ActingOperator(await self.add_person(name, born)))

    async def add_person(self, name: str, born: date | None = None) -> PersonId:
        async with unit_of_work(self.database.sessions) as session:
            return await add_person_without_bsn(session, name, born)

    async def do(self, act: Any, *values: Any, **named: Any) -> Any:
        """Do one act in a transaction of its own, at the time of the clock."""
        async with unit_of_work(self.database.sessions) as session:
            return await act(session, *values, **named, at=self.clock.now())

    async def refuse(self, act: Any, *values: Any, **named: Any) -> str:
        """Do one act that is refused; returns the code. Fails when it is done."""
        try:
            await self.do(act, *values, **named)
        except Refusal as refusal:
            return refusal.code
        raise AssertionError("the act was done")

    async def register(self, kvk: str | None = KVK, **numbers: str) -> UUID:
        return await self.do(
            register_organisation, load_keyring(), COMMAND_LINE, make_registration(kvk, **numbers), REQUEST
        )

    async def decide(self, organisation: UUID, status: RecognitionStatus) -> None:
        """Propose by the first operator, and confirm by the second."""
        proposal = RecognitionProposal(status, "besluit", "B-3")
        number = await self.do(propose_recognition, self.operators[0], organisation, proposal)
        await self.do(confirm_recognition, load_keyring(), self.operators[1], organisation, number, practice=False)

    async def recognise(self, kvk: str = KVK) -> UUID:
        organisation = await self.register(kvk)
        await self.decide(organisation, RecognitionStatus.RECOGNISED)
        return organisation

    async def invite(self, actor: Any, organisation: UUID, subject: str, roles: frozenset[EmployeeRole]) -> UUID:
        invitation = make_invitation(subject, roles)
        return await self.do(invite_employee, load_keyring(), actor, organisation, invitation)

    async def log_in(self, subject: str, kvk: str | None = KVK) -> PersonId:
        """Log in for an organisation, as the login does once the broker has vouched."""
        person = await self.add_person(subject)
        at, profile = self.clock.now(), Profile(subject, None, None)
        login = VerifiedLogin(BROKER, subject, Assurance.SUBSTANTIAL, at, None, profile, frozenset(), kvk)
        await self.do(activate_employee, load_keyring(), person, login)
        return person

    async def administer(self, organisation: UUID, kvk: str = KVK, subject: str = "beheerder") -> ActingEmployee:
        """Hire the first organisatiebeheerder, who logs in and acts."""
        await self.invite(self.operators[0], organisation, f"{subject}-{kvk}", ADMINISTRATOR)
        person = await self.log_in(f"{subject}-{kvk}", kvk)
        return await self.do(load_administrator, LISTING, person, kvk, Assurance.SUBSTANTIAL)

    async def hire(
        self, administrator: ActingEmployee, subject: str, roles: frozenset[EmployeeRole] = CARE_WORKER
    ) -> UUID:
        """Hire an employee, who logs in."""
        employee = await self.invite(administrator, administrator.organisation_id, subject, roles)
        await self.log_in(subject)
        return employee

    async def lines(self, act: str) -> list[Any]:
        """The journal lines of this act."""
        return list(await JOURNAL_INTAKE.read(self.database, act=act))
