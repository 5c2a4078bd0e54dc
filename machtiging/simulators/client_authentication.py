"""Client authentication at the login simulator: private_key_jwt with the JWKS of the service.

Source: RFC 7523 sections 2.2 and 3; OpenID Connect Core section 9.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from machtiging.crypto.jose import verify_jwt
from machtiging.kernel.errors import NotAuthenticated
from machtiging.simulators.provider import SimulatedProvider

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ALGORITHMS = ("ES256", "PS256")
_MAX_LIFETIME = timedelta(minutes=5)


async def verify_client_assertion(provider: SimulatedProvider, http: httpx.AsyncClient, assertion: str) -> None:
    """Verify a client assertion, also against replay. Raises NotAuthenticated `client_onbekend`."""
    claims = verify_jwt(assertion, await _fetch_client_jwks(provider, http), algorithms=_ALGORITHMS, typ=None)
    named = (claims.get("iss"), claims.get("sub"))
    if named != (provider.client.client_id,) * 2 or claims.get("aud") not in (provider.issuer, [provider.issuer]):
        raise NotAuthenticated("client_onbekend", message="", private="iss, sub or aud")
    jti, until = claims.get("jti"), _read_expiry(claims)
    now = provider.clock.now()
    if not isinstance(jti, str) or not now < until <= now + _MAX_LIFETIME or not provider.consume_jti(jti, until):
        raise NotAuthenticated("client_onbekend", message="", private="exp or jti")


def _read_expiry(claims: dict[str, Any]) -> datetime:
    value = claims.get("exp")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**40:
        raise NotAuthenticated("client_onbekend", message="", private="exp")
    return datetime.fromtimestamp(value, UTC)


async def _fetch_client_jwks(provider: SimulatedProvider, http: httpx.AsyncClient) -> dict[str, Any]:
    try:
        response = await http.get(provider.client.issuer + "/jwks")
        jwks: dict[str, Any] = response.raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise NotAuthenticated("client_onbekend", message="", private=f"jwks: {type(error).__name__}") from error
    return jwks
