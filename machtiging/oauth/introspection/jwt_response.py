"""Signed introspection: JWT responses (RFC 9701) for resource servers that need evidence."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.responses import Response

from machtiging.oauth.client import Client
from machtiging.oauth.issuer import Issuer

INTROSPECTION_JWT_TYP = "token-introspection+jwt"
INTROSPECTION_JWT_MEDIA_TYPE = f"application/{INTROSPECTION_JWT_TYP}"
INTROSPECTION_ALGORITHMS = ("RS256", "PS256", "ES256")


def accepts_jwt_response(accept: str) -> bool:
    """Check that the Accept header names the JWT form. `*/*` gives plain JSON (RFC 9701 section 4)."""
    return INTROSPECTION_JWT_MEDIA_TYPE in (part.partition(";")[0].strip().lower() for part in accept.split(","))


def build_jwt_response(issuer: Issuer, client: Client, introspection: dict[str, Any], *, at: datetime) -> Response:
    """Sign the introspection response for this client. `typ` and nesting prevent its use as a token (section 8)."""
    claims = {
        "iss": issuer.url,
        "aud": client.client_id,
        "iat": int(at.timestamp()),
        "token_introspection": introspection,
    }
    statement = issuer.keyring.sign_jwt(claims, typ=INTROSPECTION_JWT_TYP, alg=client.introspection_alg)
    return Response(statement, 200, {"Cache-Control": "no-store", "Pragma": "no-cache"}, INTROSPECTION_JWT_MEDIA_TYPE)
