"""Authorities over chains of one, two and three links, and employees who may not help."""

from datetime import timedelta
from uuid import uuid4

from machtiging.delegation.authority.rules import build_authority
from machtiging.delegation.authority.standings import MembershipStanding, StandInStanding
from machtiging.delegation.rules import (
    Capacity,
)
from machtiging.kernel.ids import PersonId
from machtiging.organisations.rules import EmployeeRole, EmployeeState
from tests.builders.keys import NOON
from tests.builders.machtiging import (
    ORGANISATION,
    make_authority,
    make_child,
    make_employee,
    make_machtiging,
)

KVK, OTHER_KVK = "90000001", "90000002"
HELPER, STRANGER = PersonId(uuid4()), PersonId(uuid4())
LATER = NOON + timedelta(days=400)


def assigned(**changes):
    """The authority of HELPER, to whom the machtiging of the organisation is assigned."""
    return make_authority(make_machtiging(gemachtigde_id=HELPER, capacity=Capacity.PROFESSIONAL, **changes), KVK)


def of_person(**changes):
    """The authority of HELPER as a relative."""
    return make_authority(make_machtiging(gemachtigde_id=HELPER, **changes))


def by_team(**changes):
    """A chain of three: to a team, then to HELPER as a member of it."""
    employee, team = make_employee(HELPER), uuid4()
    root = make_machtiging(gemachtigde_id=PersonId(ORGANISATION.id), capacity=Capacity.PROFESSIONAL)
    middle = make_child(root, team_id=team)
    leaf = make_child(middle, team_id=None, employee_id=employee.id)
    member = MembershipStanding(team, employee.id, NOON - timedelta(days=1), None)
    parts = {"links": (root, middle, leaf), "organisation": ORGANISATION, "employee": employee, "membership": member}
    return build_authority(**parts | changes)


def standing_in(**changes):
    """A chain of three: to an absent colleague, then to HELPER as the stand-in."""
    absent, employee = make_employee(STRANGER), make_employee(HELPER)
    root = make_machtiging(gemachtigde_id=PersonId(ORGANISATION.id), capacity=Capacity.PROFESSIONAL)
    middle = make_child(root, employee_id=absent.id)
    leaf = make_child(middle, employee_id=employee.id, stand_in_id=uuid4())
    stand_in = StandInStanding(absent.id, employee.id, NOON - timedelta(days=1), NOON + timedelta(days=7), None)
    parts = {"links": (root, middle, leaf), "organisation": ORGANISATION, "employee": employee}
    return build_authority(**parts | {"absent_employee": absent, "stand_in": stand_in} | changes)


CHAINS = {"relative": of_person, "employee": assigned, "team": by_team, "stand-in": standing_in}

EMPLOYEES = [
    ({"state": EmployeeState.INVITED}, "medewerker_niet_actief"),
    ({"state": EmployeeState.SUSPENDED}, "medewerker_niet_actief"),
    ({"starts_at": NOON + timedelta(seconds=1)}, "medewerker_niet_actief"),
    ({"state": EmployeeState.DEPARTED}, "medewerker_vertrokken"),
    ({"ends_at": NOON}, "medewerker_vertrokken"),
    ({"roles": frozenset({EmployeeRole.ADMINISTRATOR})}, "medewerker_geen_hulpverlener"),
    ({"roles": frozenset({EmployeeRole.SUPERVISOR, EmployeeRole.TEAM_LEADER})}, "medewerker_geen_hulpverlener"),
    ({"organisation_id": uuid4()}, "keten_ongeldig"),
    ({"id": uuid4()}, "keten_ongeldig"),
]
