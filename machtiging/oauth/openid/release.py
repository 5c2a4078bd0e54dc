"""The claims in ID token and userinfo beyond the subject: consented name, `sid`, `at_hash`."""

from __future__ import annotations

import hashlib
from typing import Any

from machtiging.crypto.jose import encode_base64url
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.people import profile_of
from machtiging.oauth.openid.claims import ID_TOKEN, RELEASED, USERINFO
from machtiging.oauth.openid.notices import sid_for
from machtiging.oauth.queries import Grant
from machtiging.storage.statement import Work


async def for_id_token(work: Work, keyring: KeyRing, grant: Grant) -> dict[str, Any]:
    """Load the consented claims for the ID token, and `sid` (Back-Channel Logout 1.0, 2.1)."""
    told = await _agreed(work, keyring, grant, ID_TOKEN)
    if grant.session_id is not None:
        told["sid"] = sid_for(keyring, grant.client_id, grant.session_id)
    return told


def beside(access_token: str, alg: str) -> dict[str, str]:
    """Build `at_hash`, the hash of the access token beside the ID token (Core 3.1.3.6).

    It is the left half of the hash. The hash function follows the ID token's algorithm (RS256, PS256, ES256: SHA-256).
    """
    digest = hashlib.new(f"sha{alg[-3:]}", access_token.encode()).digest()
    return {"at_hash": encode_base64url(digest[: len(digest) // 2])}


async def for_userinfo(work: Work, keyring: KeyRing, grant: Grant) -> dict[str, Any]:
    """Load the consented claims for userinfo."""
    return await _agreed(work, keyring, grant, USERINFO)


async def _agreed(work: Work, keyring: KeyRing, grant: Grant, place: str) -> dict[str, Any]:
    names = [name for name in grant.requested_claims.get(place, ()) if name in RELEASED]
    profile = await profile_of(work, keyring, grant.person_id) if names else None
    # An empty claim is left out (Core 5.3.2).
    return {"name": profile.name} if profile is not None and profile.name else {}
