"""What an ID token and userinfo say beyond who it is: an agreed name, the session, which access token came with it."""

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
    """What the person agreed to for the ID token, and `sid` (OpenID Connect Back-Channel Logout 1.0, 2.1)."""
    told = await _agreed(work, keyring, grant, ID_TOKEN)
    if grant.session_id is not None:
        told["sid"] = sid_for(keyring, grant.client_id, grant.session_id)
    return told


def beside(access_token: str, alg: str) -> dict[str, str]:
    """`at_hash`: the access token that the ID token came with (OpenID Connect Core 3.1.3.6).

    The left half of its hash; which hash, the end of the ID token's own algorithm says (RS256, PS256, ES256: SHA-256).
    """
    digest = hashlib.new(f"sha{alg[-3:]}", access_token.encode()).digest()
    return {"at_hash": encode_base64url(digest[: len(digest) // 2])}


async def for_userinfo(work: Work, keyring: KeyRing, grant: Grant) -> dict[str, Any]:
    """What the person agreed to for userinfo."""
    return await _agreed(work, keyring, grant, USERINFO)


async def _agreed(work: Work, keyring: KeyRing, grant: Grant, place: str) -> dict[str, Any]:
    names = [name for name in grant.requested_claims.get(place, ()) if name in RELEASED]
    profile = await profile_of(work, keyring, grant.person_id) if names else None
    # An empty claim is left out (Core 5.3.2).
    return {"name": profile.name} if profile is not None and profile.name else {}
