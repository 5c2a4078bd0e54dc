"""ID tokens (OIDC Core 2, OIDC-NLGOV 5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from machtiging.kernel.ids import uuid7
from machtiging.oauth.client import Client
from machtiging.oauth.issue import Consented, who
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.rules import ID_TOKEN_LIVES

_NOTHING: Mapping[str, Any] = {}


def made(
    issuer: Issuer,
    client: Client,
    consented: Consented,
    nonce: str | None,
    *,
    at: datetime,
    more: Mapping[str, Any] = _NOTHING,
) -> str:
    """Sign the ID token for the client. Never with `amr` (OIDC-NLGOV 5.2.5).

    `extra_claims`: consented claims and `sid` (`openid.released_claims.load_id_token_claims`).
    """
    now = int(at.timestamp())
    claims = who(issuer, client, consented) | {
        "aud": client.client_id,
        "exp": now + int(ID_TOKEN_LIVES.total_seconds()),
        "iat": now,
        "nbf": now,
        "jti": str(uuid7()),
    }
    claims |= {} if nonce is None else {"nonce": nonce}
    return issuer.keyring.sign_jwt({**more, **claims}, typ="JWT", alg=client.id_token_alg)
