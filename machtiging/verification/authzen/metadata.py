"""Metadata of a decision point (AuthZEN 1.0 section 9), plain and signed.

`capabilities` is left out: no capability of ours is registered, and a list without values must be omitted.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from typing import Any

from machtiging.crypto.keyring import KeyRing
from machtiging.verification.authzen.rules import SearchKind

WELL_KNOWN_PATH = "/.well-known/authzen-configuration"
API_PATH = "/access/v1"
_SECONDS_PER_DAY = 86_400


def build_metadata(identifier: str) -> dict[str, Any]:
    """Build the document of a decision point. `identifier` is its URL, without a slash at the end."""
    base = identifier + API_PATH
    return {
        "policy_decision_point": identifier,
        "access_evaluation_endpoint": f"{base}/evaluation",
        "access_evaluations_endpoint": f"{base}/evaluations",
        **{f"search_{kind}_endpoint": f"{base}/search/{kind}" for kind in SearchKind},
    }


def sign_decision_point_metadata(
    keyring: KeyRing, document: dict[str, Any], *, issuer: str, at: datetime
) -> dict[str, Any]:
    """Add `signed_metadata` (section 9.1.3). `iat` is rounded down to a day: one signature serves that day."""
    day = int(at.timestamp()) // _SECONDS_PER_DAY * _SECONDS_PER_DAY
    claims = document | {"iss": issuer, "iat": day}
    return document | {"signed_metadata": _sign_claims(keyring, json.dumps(claims))}


@lru_cache(maxsize=64)
def _sign_claims(keyring: KeyRing, text: str) -> str:
    return keyring.sign_jwt(json.loads(text), typ="JWT")
