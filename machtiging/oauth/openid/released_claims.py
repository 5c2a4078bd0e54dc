"""The claims in ID token and userinfo beyond the subject: consented name, `sid`, `at_hash`."""

from __future__ import annotations

import hashlib
from typing import Any

from machtiging.crypto.jose import encode_base64url
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.people import load_profile
from machtiging.oauth.openid.claims_parameter import ID_TOKEN, RELEASABLE_CLAIMS, USERINFO
from machtiging.oauth.openid.logout_notices import derive_sid
from machtiging.oauth.queries import Grant
from machtiging.storage.statement import Executor


async def load_id_token_claims(executor: Executor, keyring: KeyRing, grant: Grant) -> dict[str, Any]:
    """Load the consented claims for the ID token, and `sid` (Back-Channel Logout 1.0, 2.1)."""
    claims = await _load_consented_claims(executor, keyring, grant, ID_TOKEN)
    if grant.session_id is not None:
        claims["sid"] = derive_sid(keyring, grant.client_id, grant.session_id)
    return claims


def build_at_hash(access_token: str, alg: str) -> dict[str, str]:
    """Build `at_hash`, the hash of the access token beside the ID token (Core 3.1.3.6).

    It is the left half of the hash. The hash function follows the ID token's algorithm (RS256, PS256, ES256: SHA-256).
    """
    digest = hashlib.new(f"sha{alg[-3:]}", access_token.encode()).digest()
    return {"at_hash": encode_base64url(digest[: len(digest) // 2])}


async def load_userinfo_claims(executor: Executor, keyring: KeyRing, grant: Grant) -> dict[str, Any]:
    """Load the consented claims for userinfo."""
    return await _load_consented_claims(executor, keyring, grant, USERINFO)


async def _load_consented_claims(executor: Executor, keyring: KeyRing, grant: Grant, location: str) -> dict[str, Any]:
    names = [name for name in grant.requested_claims.get(location, ()) if name in RELEASABLE_CLAIMS]
    profile = await load_profile(executor, keyring, grant.person_id) if names else None
    # An empty claim is left out (Core 5.3.2).
    return {"name": profile.name} if profile is not None and profile.name else {}
