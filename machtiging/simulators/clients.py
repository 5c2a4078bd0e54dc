"""Client authentication at the login simulator: private_key_jwt with the JWKS of the service.

Source: RFC 7523 sections 2.2 and 3; OpenID Connect Core section 9.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from machtiging.crypto.jose import verify_jwt
from machtiging.kernel.errors import NotAuthenticated
from machtiging.simulators.provider import Provider

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ALGORITHMS = ("ES256", "PS256")
_LONGEST = timedelta(minutes=5)


async def check_client(provider: Provider, http: httpx.AsyncClient, assertion: str) -> None:
    """Verify a client assertion, also against replay. Raises NotAuthenticated `client_onbekend`."""
    claims = verify_jwt(assertion, await _published(provider, http), algorithms=_ALGORITHMS, typ=None)
    named = (claims.get("iss"), claims.get("sub"))
    if named != (provider.client.client_id,) * 2 or claims.get("aud") not in (provider.issuer, [provider.issuer]):
        raise NotAuthenticated("client_onbekend", private="iss, sub or aud")
    jti, until = claims.get("jti"), _until(claims)
    now = provider.clock.now()
    if not isinstance(jti, str) or not now < until <= now + _LONGEST or not provider.first_use(jti, until):
        raise NotAuthenticated("client_onbekend", private="exp or jti")


def _until(claims: dict[str, Any]) -> datetime:
    value = claims.get("exp")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**40:
        raise NotAuthenticated("client_onbekend", private="exp")
    return datetime.fromtimestamp(value, UTC)


async def _published(provider: Provider, http: httpx.AsyncClient) -> dict[str, Any]:
    try:
        response = await http.get(provider.client.issuer + "/jwks")
        jwks: dict[str, Any] = response.raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise NotAuthenticated("client_onbekend", private=f"jwks: {type(error).__name__}") from error
    return jwks
