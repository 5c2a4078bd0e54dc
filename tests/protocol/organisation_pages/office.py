"""A recognised organisation whose employees work on its pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from machtiging.cli.demo.browser import Browser
from machtiging.cli.demo.html import HtmlPage
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import PersonId
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import Database
from tests.builders.helping import HelperSession, open_helper_session
from tests.builders.organisations import KVK, add_employee, add_organisation
from tests.builders.people import ISSUER, add_person_without_bsn
from tests.builders.portal import Portal
from tests.builders.rows import JOURNAL_INTAKE
from tests.storage.assignments.assignment_world import Assignments

CLIENTS = "/organisatie"


@dataclass
class OfficePages:
    """The service with the organisation. `rows`: machtigingen of mother, and acts on them."""

    portal: Portal
    rows: Assignments
    administrator: PersonId
    administrator_id: UUID

    @classmethod
    async def begin(cls, portal: Portal, database: Database, kvk: str = KVK) -> OfficePages:
        async with unit_of_work(database.sessions) as session:
            names = ("Astrid de Beheerder", "Tess Leider", "Hugo Hulpverlener")
            people = [await add_person_without_bsn(session, f"{name} {kvk}", None) for name in names]
            organisation = await add_organisation(session, kvk)
            roles = (["organisatiebeheerder"], ["teamleider"], ["hulpverlener"])
            ids = [
                await add_employee(session, organisation, person, roles=own)
                for person, own in zip(people, roles, strict=True)
            ]
        rows = Assignments(database, organisation, portal.people.mother, people[1], ids[1], people[2], ids[2], kvk=kvk)
        return cls(portal, rows, people[0], ids[0])

    async def log_in(self, person: PersonId | None = None, assurance: Assurance = Assurance.SUBSTANTIAL) -> Browser:
        """A browser of an employee; the teamleider if none is named."""
        return await self.portal.browser_of(person or self.rows.leader, assurance=assurance, kvk=self.rows.kvk)

    async def log_in_administrator(self) -> Browser:
        return await self.log_in(self.administrator)

    async def hire(self, name: str = "Noor Nieuw", **changes: Any) -> tuple[PersonId, UUID]:
        """Another employee."""
        return await self.rows.hire(name, **changes)

    async def open_box(self, person: PersonId, machtiging: Any) -> HelperSession:
        """The box of a client, as this employee opens it."""
        return await open_helper_session(self.portal, person, machtiging, kvk=self.rows.kvk)

    async def assign(self, browser: Browser, *clients: Any, expect: int = 200, **changes: Any) -> HtmlPage:
        """Choose these clients on the page, and assign them."""
        form = (await browser.open_page(ISSUER + CLIENTS)).find_form_with_field("medewerker")
        values = {"client": [str(one) for one in clients], "medewerker": str(self.rows.worker_id)} | changes
        return await browser.submit_form(form, values, expected_status=expect)

    async def read_outcomes(self, act: str) -> list[tuple[str, str]]:
        """The outcome and reason of each journal line of an act."""
        lines = await JOURNAL_INTAKE.read(self.rows.database, act=act)
        return [(line.outcome, line.reason) for line in lines]


def make_unknown_id() -> str:
    return str(uuid4())
