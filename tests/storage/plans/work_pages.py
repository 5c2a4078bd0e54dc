"""The pages and lists of an organisation and of the operator."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from machtiging.kernel.ids import uuid7
from machtiging.organisations.rules import ActingEmployee, EmployeeRole
from machtiging.organisations.teams.administration import add_member, create_team
from machtiging.web.framework_internals import list_routes
from tests.builders.helping import HelperSession
from tests.builders.letters import BerichtenboxWorld
from tests.builders.organisations import add_employee, change_employee
from tests.builders.people import add_person_without_bsn, start_login_session
from tests.builders.portal import Portal
from tests.protocol.letters.box import fill_box
from tests.protocol.work.office import WorkOffice

_API = ("medewerkers", "overdrachten", "toewijzingen", "machtigingsverzoeken", "vervangingen", "vier-ogen", "teams")
_PATHS = ("/werk", "/organisatie", "/beheer", *(f"/api/v1/{name}" for name in _API))
_OF_SUPERVISOR = ("/organisatie/toezicht", "/organisatie/logboek")
_OF_AUDITOR = ("/beheer/dossiers",)
# These count or sort whole tables on purpose, up to a limit.
_COUNT_ALL = ("/beheer", "/beheer/cijfers", "/beheer/opvallend", "/beheer/journaal")
_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass
class WorkPages:
    """An employee with one client, a supervisor, an auditor and an operator."""

    office: WorkOffice
    worker: HelperSession
    supervisor: HelperSession
    auditor: HelperSession
    operator: HelperSession
    root: UUID
    leaf: UUID
    letter: UUID
    team: UUID

    @classmethod
    async def make(cls, world: BerichtenboxWorld, portal: Portal) -> WorkPages:
        office = await WorkOffice.open(world, portal)
        async with world.sessions.begin() as session:
            roles = [role.value for role in EmployeeRole if role is not EmployeeRole.SUPERVISOR]
            await change_employee(session, office.employee, roles=roles)
            supervisor = await add_person_without_bsn(session, "Sanne Toezicht", None)
            await add_employee(session, office.organisation, supervisor, roles=[EmployeeRole.SUPERVISOR.value])
            actor = ActingEmployee(office.worker, office.employee, office.organisation)
            team = await create_team(session, actor, "Noord", at=world.clock.now())
            await add_member(session, actor, team, office.employee, at=world.clock.now())
        client = await office.add_person("Anna de Boer")
        root = await office.grant(client)
        leaf = await office.assign(root, reference="Z1")
        [letter] = await fill_box(world, client, ["Brief"])
        logins = [await office.log_in(), await office.log_in(supervisor)]
        for role in ("auditor", "beheerder"):
            token = await start_login_session(portal.app.state.services, supervisor, roles=frozenset({role}))
            logins.append(HelperSession(portal, token, None))
        for login in logins:
            login.headers["Accept"] = "*/*"
        return cls(office, *logins, root, leaf, letter, team)

    async def open_all(self) -> None:
        """Open every page but those that count whole tables. Those of what is not there answer 404."""
        answers = {}
        for path in self._list_paths():
            login = self._choose_login(path)
            values = self._list_values(path)
            is_there = values.keys() >= set(_PARAMETER.findall(path))
            query = "?status=opgeschort" if path.endswith("/voorstel") else ""
            answer = await login.request(path.format_map(defaultdict(uuid7, values)) + query)
            if answer.status_code not in ((200, 303) if is_there else (404,)):
                answers[path] = answer.status_code
        assert not answers, answers

    def _choose_login(self, path: str) -> HelperSession:
        if path.startswith("/beheer"):
            return self.auditor if path.startswith(_OF_AUDITOR) else self.operator
        return self.supervisor if path in _OF_SUPERVISOR else self.worker

    def _list_paths(self) -> list[str]:
        routes = [(path, getattr(route, "methods", ())) for path, route in list_routes(self.office.portal.app)]
        pages = {path for path, methods in routes if "GET" in methods and path.startswith(_PATHS)}
        return sorted(pages.difference(_COUNT_ALL))

    def _list_values(self, path: str) -> dict[str, Any]:
        client = self.leaf if path.startswith("/werk") else self.root
        of_client = {"machtigingId": client, "toewijzingId": self.leaf, "berichtId": self.letter}
        of_client["teamId"] = self.team
        return of_client | {"medewerkerId": self.office.employee, "organisatie_id": self.office.organisation}
