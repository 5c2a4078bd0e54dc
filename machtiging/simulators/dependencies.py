"""Services of the practice app."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from starlette.requests import HTTPConnection

from machtiging.dependencies import request_services
from machtiging.simulators.postbus import Postbus
from machtiging.simulators.provider import Provider
from machtiging.web.pages import PageServices


@dataclass(frozen=True, kw_only=True)
class SimulatorServices(PageServices):
    """The stand-in broker, the mail catcher, and the HTTP client that reaches the service."""

    provider: Provider
    http: httpx.AsyncClient
    postbus: Postbus
    catches_mail: bool


def simulator_services(request: HTTPConnection) -> SimulatorServices:
    """Return the services of the practice app behind a request. Raises Fault `diensten_ontbreken`."""
    return request_services(request, SimulatorServices)
