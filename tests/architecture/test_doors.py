"""Every route has exactly one door (authentication dependency), and the number of routes is pinned."""

from collections import Counter
from functools import cache

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from machtiging.access.bearer import Agency, Register, TokenUser
from machtiging.berichtenbox.caseload.routes import router as clienten
from machtiging.berichtenbox.machtigingen.routes import router as machtigingen
from machtiging.berichtenbox.routes import router as berichtenbox
from machtiging.delegation.assignment_tasks.routes import router as assignment_tasks
from machtiging.delegation.assignments.four_eyes_routes import router as four_eyes
from machtiging.delegation.assignments.routes import router as assignments
from machtiging.delegation.handover.routes import router as handovers
from machtiging.delegation.help_requests.routes import router as help_requests
from machtiging.delegation.renewals.routes import router as renewals
from machtiging.delegation.stand_ins.routes import router as stand_ins
from machtiging.delegation.team_members.routes import router as teams
from machtiging.health import router as health
from machtiging.identity.routes import router as identity
from machtiging.identity.session import Auditor, Citizen, Operator
from machtiging.oauth.grant_management.auth import ConsentActor, ManagingClient
from machtiging.oauth.grant_management.consents_api import router as consents
from machtiging.oauth.routes import router as oauth
from machtiging.organisations.employee_routes import router as employees
from machtiging.organisations.invitations.routes import router as invitations
from machtiging.organisations.routes import router as organisations
from machtiging.portal.routes import router as portal
from machtiging.registers.routes import router as registers
from machtiging.simulators.practice_page import router as practice
from machtiging.verification.authzen.dependencies import TenantCaller
from machtiging.verification.authzen.routes import router as authzen
from machtiging.web.doors import DOOR_ATTRIBUTE, Public
from machtiging.web.framework_internals import list_routes

DOORS = {
    "Public",
    "Citizen",
    "TokenUser",
    "Agency",
    "Register",
    "Operator",
    "Auditor",
    "Overseer",
    "Client",
    "Self",
    "TenantCaller",
}
PINNED = {
    "Public": 49,
    "Citizen": 204,
    "Operator": 21,
    "Auditor": 5,
    "Overseer": 7,
    "TokenUser": 12,
    "Self": 2,
    "Agency": 1,
    "Register": 1,
    "Verifier": 3,
    "TenantCaller": 3,
    "Client": 3,
}


def door_functions(route: APIRoute) -> list:
    """The functions of the doors among all dependencies of a route."""
    waiting, found = [route.dependant], []
    while waiting:
        dependant = waiting.pop(0)
        found += [dependant.call] if getattr(dependant.call, DOOR_ATTRIBUTE, None) else []
        waiting += dependant.dependencies
    return found


def doors_of(route: APIRoute) -> list[str]:
    return [getattr(function, DOOR_ATTRIBUTE) for function in door_functions(route)]


@cache
def all_routes():
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    of_organisations = (organisations, employees, invitations, teams, assignments, four_eyes, handovers, stand_ins)
    of_work = (help_requests, renewals, assignment_tasks)
    of_box = (berichtenbox, machtigingen, clienten)
    for router in (
        health,
        identity,
        oauth,
        *of_box,
        consents,
        *of_organisations,
        *of_work,
        registers,
        authzen,
        portal,
        practice,
    ):
        app.include_router(router)
    return [route for _, route in list_routes(app) if isinstance(route, APIRoute)]


def test_every_route_has_exactly_one_door():
    wrong = {f"{sorted(r.methods)} {r.path}": doors_of(r) for r in all_routes()}
    assert {path: doors for path, doors in wrong.items() if len(doors) != 1} == {}


def test_number_of_routes_per_door_is_pinned():
    assert Counter(doors_of(r)[0] for r in all_routes()) == PINNED


def test_route_without_door_is_detected():
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.get("/open")
    async def forgotten() -> None: ...

    routes = [route for _, route in list_routes(app) if isinstance(route, APIRoute)]
    assert [doors_of(r) for r in routes] == [[]]


@pytest.mark.parametrize(
    "alias",
    [Public, Citizen, Operator, Auditor, TokenUser, Agency, Register, ManagingClient, ConsentActor, TenantCaller],
)
def test_every_door_dependency_is_marked(alias):
    dependency = alias.__metadata__[0].dependency
    assert getattr(dependency, DOOR_ATTRIBUTE) in DOORS
