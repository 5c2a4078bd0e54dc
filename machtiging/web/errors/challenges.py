"""WWW-Authenticate challenges (RFC 6750 section 3, RFC 9449 section 7.1, RFC 9470 section 3, RFC 9728 section 5.1)."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request

from machtiging.dependencies import services_if_any
from machtiging.web.dependencies import WebServices

RESOURCE_METADATA_PATH = "/.well-known/oauth-protected-resource/api/v1"
_DPOP_CHALLENGE_SEPARATOR = ", DPoP realm="


def bearer_challenge(code: str) -> str:
    """Build the challenge for a missing or invalid token (RFC 6750 section 3)."""
    # RFC 6750 section 3.1: no error code when no token was offered at all.
    if code == "token_ontbreekt":
        return 'Bearer realm="machtiging"'
    return f'Bearer realm="machtiging", error="invalid_token", error_description="{code}"'


def step_up_challenge(acr: str) -> str:
    """Build the step-up challenge for this `acr` value (RFC 9470 section 3)."""
    return f'Bearer realm="machtiging", error="insufficient_user_authentication", acr_values="{acr}"'


def insufficient_scope_challenge(action: str) -> str:
    """Build the challenge for a token without this action (RFC 6750 section 3.1, RFC 9396)."""
    description = f"Ask authorization_details of type berichtenbox with the action {action}"
    return f'Bearer realm="machtiging", error="insufficient_scope", error_description="{description}"'


def challenge_headers(request: Request, headers: Mapping[str, str]) -> dict[str, str]:
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
        place = f', resource_metadata="{services.issuer}{RESOURCE_METADATA_PATH}"'  # RFC 9728 section 5.1
        first, way, second = challenge.partition(_DPOP_CHALLENGE_SEPARATOR)
        challenge = first + place + way + second
    return {"WWW-Authenticate": challenge}
