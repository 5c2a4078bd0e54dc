"""Services of the portal: those of the authorization server, and the changes of the service."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from machtiging.dependencies import request_services
from machtiging.oauth.dependencies import OAuthServices
from machtiging.operator_content.service_changes import ServiceChange
from machtiging.supervision import TaskSupervisor

# The packages of the portal with a `templates/` folder.
PORTAL_TEMPLATES = (
    "machtiging.portal",
    "machtiging.portal.organisation",
    "machtiging.portal.verification",
    "machtiging.portal.work",
)


@dataclass(frozen=True, kw_only=True)
class PortalServices(OAuthServices):
    """The services of the portal, with the background tasks of this process.

    `service_changes` come from the file of the operator.
    """

    background: TaskSupervisor
    service_changes: tuple[ServiceChange, ...] = ()


def portal_services(request: HTTPConnection) -> PortalServices:
    """Return the services of the portal behind a request. Raises Fault `diensten_ontbreken`."""
    return request_services(request, PortalServices)
