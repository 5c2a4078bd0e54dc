"""Doors: every route declares exactly one, and a test counts them.

A door is a dependency that says who may knock. `Public` is said aloud here; `Citizen` and `Operator` are in
`identity/session.py`, `Helper` and `Agency` in `access/bearer.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar

from fastapi import Depends
from starlette.requests import Request

_Dependency = TypeVar("_Dependency", bound=Callable[..., object])
RESOURCE_METADATA = "/.well-known/oauth-protected-resource/api/v1"
_OR_PROVE = ", DPoP realm="
DOOR_ATTRIBUTE = "__machtiging_door__"


def door(name: str) -> Callable[[_Dependency], _Dependency]:
    """Mark a dependency as a door, so that the architecture test finds it on the routes."""

    def mark(dependency: _Dependency) -> _Dependency:
        setattr(dependency, DOOR_ATTRIBUTE, name)
        return dependency

    return mark


@door("Public")
async def _public() -> None:
    """Anybody may knock here."""


Public = Annotated[None, Depends(_public)]


def surer_login(acr: str) -> str:
    """What an API says when a surer login is needed, and would do (RFC 9470 section 3)."""
    return f'Bearer realm="machtiging", error="insufficient_user_authentication", acr_values="{acr}"'


def action_missing(action: str) -> str:
    """The challenge for a token that lacks this action of `authorization_details` (RFC 6750 section 3.1, RFC 9396)."""
    told = f"Ask authorization_details of type berichtenbox with the action {action}"
    return f'Bearer realm="machtiging", error="insufficient_scope", error_description="{told}"'


def challenges(request: Request, headers: Mapping[str, str]) -> dict[str, str]:
    """The header of a closed door: what to prove, in the asker's scheme, and where the API tells about itself."""
    challenge = headers.get("WWW-Authenticate", "")
    if not challenge:
        return {}
    if challenge.startswith("Bearer ") and request.headers.get("authorization", "").lower().startswith("dpop "):
        challenge = "DPoP" + challenge.removeprefix("Bearer")
    issuer = getattr(request.app.state, "issuer", None)
    if issuer and request.url.path.startswith("/api/"):
        place = f', resource_metadata="{issuer}{RESOURCE_METADATA}"'  # RFC 9728 section 5.1
        first, way, second = challenge.partition(_OR_PROVE)
        challenge = first + place + way + second
    return {"WWW-Authenticate": challenge}
