"""Undocumented interfaces of Starlette and FastAPI, used in this module only.

An upgrade may change them. docs/vocabulary.md lists them under "Private interfaces of libraries".
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Scope

_ROUTE_SCOPE_KEY = "route"
ExceptionHandler = Callable[[Request, Exception], Any]


def add_innermost_middleware(app: Starlette, middleware: Callable[..., ASGIApp], **options: Any) -> None:
    """Add middleware inside all middleware that is already there."""
    # The documented `add_middleware` adds on the outside only.
    app.user_middleware.append(Middleware(middleware, **options))


def find_exception_handler(app: Starlette, kind: type[Exception]) -> ExceptionHandler:
    """Return the handler that was added for this class of exceptions. Raises KeyError when there is none."""
    # The documentation only shows how to add one; here another handler or middleware passes an exception on.
    handler: ExceptionHandler = app.exception_handlers[kind]
    return handler


def disable_slash_redirects(app: FastAPI) -> None:
    """Let a path with a trailing slash be unknown (404) instead of redirected."""
    # `FastAPI(redirect_slashes=False)` is documented. Set here too, so that no application can forget it.
    app.router.redirect_slashes = False


def list_routes(app: FastAPI) -> list[tuple[str, BaseRoute]]:
    """List the routes of an application with their full paths, those of included routers too."""
    # An included router is one entry in the documented `app.routes`, which hides the routes in it.
    return [(context.path or _read_path(context.route), context.route) for context in iter_route_contexts(app.routes)]


def match_route(route: BaseRoute, scope: Scope) -> MutableMapping[str, Any] | None:
    """Return the additions to the scope if the route matches path and method; else None.

    They are the endpoint and the path parameters.
    """
    match, found = route.matches(scope)
    return found if match is Match.FULL else None


def has_route(request: Request, method: str, **changes: Any) -> bool:
    """Return True if a route of the application matches the changed request.

    `method` and `changes` replace values of its scope.
    """
    scope = {**request.scope, "method": method, **changes}
    return any(match_route(route, scope) is not None for route in request.app.routes)


def has_path_parameters(route: BaseRoute) -> bool:
    """Return True for a path such as `/berichten/{berichtId}`."""
    return bool(getattr(route, "param_convertors", None))


def note_matched_route(scope: Scope, route: BaseRoute) -> None:
    """Note the matched route in the scope, as FastAPI does for its own routes."""
    scope[_ROUTE_SCOPE_KEY] = route


def copy_matched_route(source: Scope, target: Scope) -> None:
    """Copy the matched route, if any, to the scope that the request log sees."""
    if _ROUTE_SCOPE_KEY in source:
        target[_ROUTE_SCOPE_KEY] = source[_ROUTE_SCOPE_KEY]


def find_route_template(scope: Scope) -> str | None:
    """Return the path of the matched route as declared (`/berichten/{berichtId}`); None without a route."""
    return _read_path(scope.get(_ROUTE_SCOPE_KEY)) or None


def _read_path(route: object) -> str:
    path: str = getattr(route, "path", "")
    return path
