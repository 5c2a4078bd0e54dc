"""Direct routes: documented by an API route, served by a handler without FastAPI's dependency resolution.

For a few endpoints where resolving dependencies costs more than the response. The documented function declares door,
parameters and models; the handler must do the same, and a test checks that.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from machtiging.kernel.errors import MachtigingError

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def answered_by(handler: Handler) -> type[APIRoute]:
    """Make an APIRoute class with responses from `handler`."""

    class Answered(_Answered):
        def get_route_handler(self) -> Handler:
            return handler

    return Answered


class _Answered(APIRoute):
    """Base class by which `install` finds direct routes."""


class _Short(Route):
    """A Starlette route with the path and methods of an API route."""

    def __init__(self, path: str, route: APIRoute) -> None:
        super().__init__(path, route.get_route_handler())
        self.methods = set(route.methods or ())  # a Starlette route adds HEAD by itself


class _ShortWay:
    """Innermost middleware: serves direct routes before the router, with the same error handlers."""

    def __init__(self, app: ASGIApp, routes: Sequence[_Short]) -> None:
        self._app = app
        # Paths without parameters are found by dictionary lookup.
        plain = [route for route in routes if not route.param_convertors]
        self._plain = {(method, route.path): (route,) for route in plain for method in route.methods or ()}
        self._others = tuple(route for route in routes if route.param_convertors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for route in self._perhaps(scope) if scope["type"] == "http" else ():
            match, more = route.matches(scope)
            if match is Match.FULL:
                scope.update(more, route=route)  # for the request log, as FastAPI's routes do
                response = await self._answer(route.endpoint, Request(scope, receive, send))
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _perhaps(self, scope: Scope) -> Sequence[_Short]:
        return self._plain.get((scope["method"], scope["path"]), self._others)

    async def _answer(self, handler: Handler, request: Request) -> Response:
        try:
            return await handler(request)
        except (MachtigingError, HTTPException) as error:
            kind = MachtigingError if isinstance(error, MachtigingError) else HTTPException
            answered: Response = await request.app.exception_handlers[kind](request, error)
            return answered


def install(app: FastAPI) -> None:
    """Install the direct routes. Call last, when all routes and middleware are there."""
    found = [(context.path, context.route) for context in iter_route_contexts(app.routes)]
    routes = [_Short(path or route.path, route) for path, route in found if isinstance(route, _Answered)]
    app.user_middleware.append(Middleware(_ShortWay, routes=routes))
