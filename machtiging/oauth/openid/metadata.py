"""Discovery members of the OpenID provider, and signed metadata (RFC 8414 2.1)."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from typing import Any

from machtiging.crypto.keyring import KeyRing
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.openid.claims_parameter import RELEASABLE_CLAIMS

_SIGNED_METADATA_TYP = "JWT"
_ALGORITHMS = ("RS256", "PS256", "ES256")
SUPPORTED_PROMPTS = ("none", "login", "consent")


def build_discovery_members(issuer: Issuer) -> dict[str, Any]:
    """Build the OpenID members of the discovery documents."""
    return {
        "claims_parameter_supported": True,
        "prompt_values_supported": list(SUPPORTED_PROMPTS),
        "userinfo_signing_alg_values_supported": list(_ALGORITHMS),
        "end_session_endpoint": issuer.endpoint_url("/logout"),
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }


def list_requestable_claims() -> tuple[str, ...]:
    """List the claims that depend on a request: consented claims, `sid` and `at_hash`."""
    return (*RELEASABLE_CLAIMS, "sid", "at_hash")


def sign_metadata(issuer: Issuer, document: dict[str, Any], at: datetime) -> dict[str, Any]:
    """Add `signed_metadata` to a discovery document.

    `iat` is rounded down to a day, so that one signature serves all requests of that day.
    """
    day = int(at.timestamp()) // 86400 * 86400
    return document | {"signed_metadata": _sign_document(issuer.keyring, json.dumps(document | {"iat": day}))}


@lru_cache(maxsize=8)
def _sign_document(keyring: KeyRing, text: str) -> str:
    claims: dict[str, Any] = json.loads(text)
    return keyring.sign_jwt(claims | {"iss": claims["issuer"]}, typ=_SIGNED_METADATA_TYP, alg="PS256")
