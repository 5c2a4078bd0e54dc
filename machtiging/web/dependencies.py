"""Services that pages and HTTP layers need."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from machtiging.dependencies import request_services
from machtiging.kernel.clock import Clock
from machtiging.web.outbound.addresses import Network
from machtiging.web.pages import PageServices


@dataclass(frozen=True, kw_only=True)
class WebServices(PageServices):
    """The clock, the URL of this service without a slash at its end, and the proxies believed about clients."""

    clock: Clock
    issuer: str
    trusted_proxies: tuple[Network, ...] = ()


def web_services(request: HTTPConnection) -> WebServices:
    """Return the web services behind a request. Raises Fault `diensten_ontbreken`."""
    return request_services(request, WebServices)
