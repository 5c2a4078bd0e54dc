"""Discovery members of the OpenID provider, and signed metadata (RFC 8414 2.1)."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from typing import Any

from machtiging.crypto.keyring import KeyRing
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.openid.claims import RELEASED

_TYP = "JWT"
_ALGORITHMS = ("RS256", "PS256", "ES256")
PROMPTS = ("none", "login", "consent")


def members(issuer: Issuer) -> dict[str, Any]:
    """Build the OpenID members of the discovery documents."""
    return {
        "claims_parameter_supported": True,
        "prompt_values_supported": list(PROMPTS),
        "userinfo_signing_alg_values_supported": list(_ALGORITHMS),
        "end_session_endpoint": issuer.endpoint("/logout"),
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }


def claims_on_request() -> tuple[str, ...]:
    """List the claims that depend on a request: consented claims, `sid` and `at_hash`."""
    return (*RELEASED, "sid", "at_hash")


def signed(issuer: Issuer, document: dict[str, Any], at: datetime) -> dict[str, Any]:
    """Add `signed_metadata` to a discovery document.

    `iat` is rounded down to a day, so that one signature serves all requests of that day.
    """
    day = int(at.timestamp()) // 86400 * 86400
    return document | {"signed_metadata": _sign(issuer.keyring, json.dumps(document | {"iat": day}))}


@lru_cache(maxsize=8)
def _sign(keyring: KeyRing, text: str) -> str:
    claims: dict[str, Any] = json.loads(text)
    return keyring.sign_jwt(claims | {"iss": claims["issuer"]}, typ=_TYP, alg="PS256")
