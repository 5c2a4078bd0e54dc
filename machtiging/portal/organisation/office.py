"""The organisation of a visitor who leads it, with its employees, for every page."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.secrets import generate_token
from machtiging.delegation.assignments.acting_employee import describe_login
from machtiging.delegation.assignments.queries import load_viewing_leader
from machtiging.delegation.assignments.rules import ActingLeader
from machtiging.identity.session import Visitor
from machtiging.message_catalogue import CatalogueLabels, get_sentence
from machtiging.organisations.employee_names import EmployeeView, load_employee_views
from machtiging.organisations.rules import EmployeeRole, EmployeeState, RecognitionStatus
from machtiging.organisations.teams.queries import TeamView, list_teams
from machtiging.portal.forms import SubmittedForm

ROLE_LABELS: Mapping[EmployeeRole, str] = CatalogueLabels("organisation.role", EmployeeRole)
STATE_LABELS: Mapping[EmployeeState, str] = CatalogueLabels("organisation.state", EmployeeState)
# Idempotency key of a form, so that two clicks act once.
KEY_FIELD = "sleutel"
_KEY_PATTERN = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True, slots=True)
class Office:
    """The organisation, the employee who looks, and all who work there. `teams`: on pages that name them."""

    leader: ActingLeader
    employees: Mapping[UUID, EmployeeView]
    teams: Sequence[TeamView] = ()

    @property
    def name(self) -> str:
        """The name of the organisation."""
        return self.leader.organisation.name

    @property
    def is_recognised(self) -> bool:
        """True if the organisation may act for its clients now."""
        return self.leader.organisation.recognition is RecognitionStatus.RECOGNISED

    @property
    def is_administrator(self) -> bool:
        """True if the visitor may change employees."""
        return EmployeeRole.ADMINISTRATOR in self.leader.employee.roles

    @property
    def readers(self) -> list[EmployeeView]:
        """The employees to whom a client can be assigned, in order of name."""
        return [one for one in self.employees.values() if one.can_read]

    def name_employee(self, employee_id: UUID | None) -> str:
        """Return the name of an employee; words for one who left."""
        found = None if employee_id is None else self.employees.get(employee_id)
        return found.name if found and found.name else get_sentence("organisation.employee.unknown")

    def name_holder(self, employee_id: UUID | None, team_id: UUID | None) -> str:
        """Return the name of an employee, a team, or an employee in a team."""
        team = next((one.name for one in self.teams if one.id == team_id), None)
        if team_id is None or team is None:
            return self.name_employee(employee_id)
        if employee_id is None:
            return get_sentence("organisation.team.named", team=team)
        return get_sentence("labels.via_team", name=self.name_employee(employee_id), team=team)

    def name_employees(self, ids: Collection[UUID]) -> list[str]:
        """Return the names of employees in alphabetical order."""
        return sorted(map(self.name_employee, ids), key=str.casefold)


async def open_office(
    session: AsyncSession,
    keyring: KeyRing,
    visitor: Visitor,
    *,
    at: datetime,
    shows_clients: bool = True,
    with_teams: bool = False,
) -> Office:
    """Load the organisation of a teamleider or organisatiebeheerder. Raises as `load_viewing_leader`."""
    leader = await load_viewing_leader(session, describe_login(visitor), at=at, shows_clients=shows_clients)
    own_id = leader.organisation.id
    teams = await list_teams(session, own_id, at=at) if with_teams else []
    named = sorted(teams, key=lambda team: team.name.casefold())
    return Office(leader, await load_employee_views(session, keyring, own_id, at=at), named)


def read_key(sent: SubmittedForm) -> str:
    """Read the idempotency key of a form; a new one if there is none."""
    key = sent.first_value(KEY_FIELD)
    return key if _KEY_PATTERN.fullmatch(key) else generate_token(128)


def read_ids(values: Collection[str]) -> list[UUID]:
    """Read the ids in a form, each once. What is no id is left out."""
    found: dict[UUID, None] = {}
    for value in values:
        try:
            found[UUID(value)] = None
        except ValueError:
            continue
    return list(found)
