"""Services that pages and HTTP layers need."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from machtiging.dependencies import request_services
from machtiging.kernel.clock import Clock
from machtiging.web.outbound.ssrf_policy import Network
from machtiging.web.pages import PageServices


@dataclass(frozen=True, kw_only=True)
class WebServices(PageServices):
    """The clock, the URL of this service, and the trusted proxies. The URL has no slash at its end."""

    clock: Clock
    issuer: str
    trusted_proxies: tuple[Network, ...] = ()


def web_services(request: HTTPConnection) -> WebServices:
    """Return the web services behind a request. Raises Fault `diensten_ontbreken`."""
    return request_services(request, WebServices)
