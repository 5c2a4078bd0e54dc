"""The answer as a signed statement (RFC 9701), for a resource server that must be able to show what it was told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.responses import Response

from machtiging.oauth.client import Client
from machtiging.oauth.issuer import Issuer

TYPE = "token-introspection+jwt"
MEDIA_TYPE = f"application/{TYPE}"
ALGORITHMS = ("RS256", "PS256", "ES256")


def is_wanted(accept: str) -> bool:
    """Whether the asker names the signed form; whoever takes anything gets plain JSON (RFC 9701 section 4)."""
    return MEDIA_TYPE in (part.partition(";")[0].strip().lower() for part in accept.split(","))


def signed(issuer: Issuer, client: Client, told: dict[str, Any], *, at: datetime) -> Response:
    """The same answer, for this client alone. `typ` and nesting keep it from being taken for a token (section 8)."""
    claims = {
        "iss": issuer.url,
        "aud": client.client_id,
        "iat": int(at.timestamp()),
        "token_introspection": told,
    }
    statement = issuer.keyring.sign_jwt(claims, typ=TYPE, alg=client.introspection_alg)
    return Response(statement, 200, {"Cache-Control": "no-store", "Pragma": "no-cache"}, MEDIA_TYPE)
