"""Every route has exactly one door (authentication dependency), and the number of routes is pinned."""

from collections import Counter
from functools import cache

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from machtiging.access.bearer import Agency, Register, TokenUser
from machtiging.app import ROUTERS
from machtiging.identity.session import Auditor, Citizen, Operator
from machtiging.oauth.grant_management.auth import ConsentActor, ManagingClient
from machtiging.simulators.practice_page import router as practice
from machtiging.verification.authzen.dependencies import TenantCaller
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
    "Public": 50,
    "Citizen": 204,
    "Operator": 21,
    "Auditor": 7,
    "Overseer": 7,
    "TokenUser": 12,
    "Self": 2,
    "Agency": 1,
    "Register": 1,
    "Verifier": 5,
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
    for router in (*ROUTERS, practice):
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
