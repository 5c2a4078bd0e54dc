"""Direct routes: documented by an API route, served by a handler without FastAPI's dependency resolution.

For a few endpoints where resolving dependencies costs more than the response. The documented function declares door,
parameters and models; the handler must do the same, and a test checks that.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from machtiging.kernel.errors import MachtigingError
from machtiging.web.framework_internals import (
    add_innermost_middleware,
    find_exception_handler,
    has_path_parameters,
    list_routes,
    match_route,
    note_matched_route,
)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def direct_route(handler: Handler) -> type[APIRoute]:
    """Make an APIRoute class with responses from `handler`."""

    class BoundDirectRoute(_DirectApiRoute):
        def get_route_handler(self) -> Handler:
            return handler

    return BoundDirectRoute


class _DirectApiRoute(APIRoute):
    """Base class by which `install` finds direct routes."""


class _DirectStarletteRoute(Route):
    """A Starlette route with the path and methods of an API route."""

    def __init__(self, path: str, route: APIRoute) -> None:
        super().__init__(path, route.get_route_handler())
        self.methods = set(route.methods or ())  # a Starlette route adds HEAD by itself


class _DirectRouteMiddleware:
    """Innermost middleware: serves direct routes before the router, with the same error handlers."""

    def __init__(self, app: ASGIApp, routes: Sequence[_DirectStarletteRoute]) -> None:
        self._app = app
        # Paths without parameters are found by dictionary lookup.
        plain = [route for route in routes if not has_path_parameters(route)]
        self._static_routes = {(method, route.path): (route,) for route in plain for method in route.methods or ()}
        self._parametrized_routes = tuple(route for route in routes if has_path_parameters(route))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for route in self._candidate_routes(scope) if scope["type"] == "http" else ():
            found = match_route(route, scope)
            if found is not None:
                scope.update(found)
                note_matched_route(scope, route)  # for the request log
                response = await self._call_handler(route.endpoint, Request(scope, receive, send))
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _candidate_routes(self, scope: Scope) -> Sequence[_DirectStarletteRoute]:
        return self._static_routes.get((scope["method"], scope["path"]), self._parametrized_routes)

    async def _call_handler(self, handler: Handler, request: Request) -> Response:
        try:
            return await handler(request)
        except (MachtigingError, HTTPException) as error:
            kind = MachtigingError if isinstance(error, MachtigingError) else HTTPException
            answered: Response = await find_exception_handler(request.app, kind)(request, error)
            return answered


def install(app: FastAPI) -> None:
    """Install the direct routes. Call last, when all routes and middleware are there."""
    routes = [
        _DirectStarletteRoute(path, route) for path, route in list_routes(app) if isinstance(route, _DirectApiRoute)
    ]
    add_innermost_middleware(app, _DirectRouteMiddleware, routes=routes)
