"""`machtiging serve` with ordinary FastAPI routes in place of the direct ones, for `tests.bench.routes`.

Each has one parameter, the request. Its further cost is that of router and dependency resolution alone.
"""

from __future__ import annotations

import sys
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from machtiging.web import direct_routes
from machtiging.web.direct_routes import Handler

_DECLARED = ("endpoint", "response_model", "dependencies", "responses")


def ordinary_route(handler: Handler) -> type[APIRoute]:
    """Make an APIRoute class that calls `handler` as its endpoint."""

    async def respond(request: Request) -> Response:
        return await handler(request)

    class OrdinaryRoute(APIRoute):
        def __init__(self, path: str, **options: Any) -> None:
            kept = {name: value for name, value in options.items() if name not in _DECLARED}
            super().__init__(path, respond, response_model=None, **kept)

    return OrdinaryRoute


def main() -> int:
    """Replace the direct routes before the modules with routes are imported, and serve."""
    direct_routes.direct_route = ordinary_route
    direct_routes.install = lambda app: None
    from machtiging.__main__ import main as run_command

    return run_command(["serve"])


if __name__ == "__main__":
    sys.exit(main())
