"""A route that is described by its function and answered by another, without the framework's dependencies in between.

For the few answers where solving dependencies costs more than the answer itself. The function that describes it says
the door, the parameters and the models; the handler does what they say, and a test holds it to that.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def answered_by(handler: Handler) -> type[APIRoute]:
    """A kind of route whose answers come from `handler`."""

    class Answered(_Answered):
        def get_route_handler(self) -> Handler:
            return handler

    return Answered


class _Answered(APIRoute):
    """Marks the routes that `install` looks for."""


class _Short(Route):
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, more = super().matches(scope)
        if match is not Match.NONE:
            more["route"] = self  # for the line in the log, as the framework's routes do
        return match, more


def install(app: FastAPI) -> None:
    """Let these routes be found before all others, also by the router. To be called when every route is there."""
    found = [(context.path, context.route) for context in iter_route_contexts(app.routes)]
    for path, route in reversed(found):
        if isinstance(route, _Answered):
            short = _Short(path or route.path, route.get_route_handler())
            short.methods = set(route.methods or ())  # a plain route would answer HEAD as well
            app.router.routes.insert(0, short)
