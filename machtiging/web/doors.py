"""Doors: the dependencies that authenticate a route. Every route declares exactly one; a test counts them.

`Public` is here, `Citizen` and `Operator` in `identity/session.py`, `Helper` and `Agency` in `access/bearer.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar

from fastapi import Depends
from starlette.requests import Request

from machtiging.dependencies import services_if_any
from machtiging.web.dependencies import WebServices

_Dependency = TypeVar("_Dependency", bound=Callable[..., object])
RESOURCE_METADATA = "/.well-known/oauth-protected-resource/api/v1"
_OR_PROVE = ", DPoP realm="
DOOR_ATTRIBUTE = "__machtiging_door__"


def door(name: str) -> Callable[[_Dependency], _Dependency]:
    """Mark a dependency as a door, for the architecture test to find."""

    def mark(dependency: _Dependency) -> _Dependency:
        setattr(dependency, DOOR_ATTRIBUTE, name)
        return dependency

    return mark


@door("Public")
async def _public() -> None:
    """Admit every request without authentication."""


Public = Annotated[None, Depends(_public)]


def surer_login(acr: str) -> str:
    """Build the step-up challenge for this `acr` value (RFC 9470 section 3)."""
    return f'Bearer realm="machtiging", error="insufficient_user_authentication", acr_values="{acr}"'


def action_missing(action: str) -> str:
    """Build the challenge for a token without this action (RFC 6750 section 3.1, RFC 9396)."""
    told = f"Ask authorization_details of type berichtenbox with the action {action}"
    return f'Bearer realm="machtiging", error="insufficient_scope", error_description="{told}"'


def challenges(request: Request, headers: Mapping[str, str]) -> dict[str, str]:
    """Build the WWW-Authenticate header in the scheme of the request, or no header.

    Under /api/ it points to the protected resource metadata (RFC 9728 section 5.1).
    """
    challenge = headers.get("WWW-Authenticate", "")
    if not challenge:
        return {}
    if challenge.startswith("Bearer ") and request.headers.get("authorization", "").lower().startswith("dpop "):
        challenge = "DPoP" + challenge.removeprefix("Bearer")
    services = services_if_any(request, WebServices)
    if services is not None and request.url.path.startswith("/api/"):
        place = f', resource_metadata="{services.issuer}{RESOURCE_METADATA}"'  # RFC 9728 section 5.1
        first, way, second = challenge.partition(_OR_PROVE)
        challenge = first + place + way + second
    return {"WWW-Authenticate": challenge}
