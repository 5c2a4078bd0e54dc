"""Access to the typed services of the application behind a request.

Each package declares the services it needs as a frozen dataclass in its `dependencies.py`. It extends those of the
packages below it. `machtiging.app` builds one object that is all of them.
"""

from __future__ import annotations

from typing import TypeVar

from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from machtiging.kernel.errors import Fault

_Services = TypeVar("_Services")


def attach_services(app: Starlette, services: object) -> None:
    """Attach the services to the application."""
    app.state.services = services


def services_of(app: Starlette, kind: type[_Services]) -> _Services:
    """Return the services of the application. Raises Fault `diensten_ontbreken` when it has none of this kind."""
    found = getattr(app.state, "services", None)
    if not isinstance(found, kind):
        raise Fault("diensten_ontbreken", private=f"the application has no {kind.__name__}")
    return found


def request_services(request: HTTPConnection, kind: type[_Services]) -> _Services:
    """Return the services of the application that answers this request. Raises Fault `diensten_ontbreken`."""
    return services_of(request.app, kind)


def services_if_any(request: HTTPConnection, kind: type[_Services]) -> _Services | None:
    """Return the services of the application of this request. None if it has none of this kind."""
    found = getattr(request.app.state, "services", None)
    return found if isinstance(found, kind) else None
