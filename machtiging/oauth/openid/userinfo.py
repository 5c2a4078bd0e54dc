"""The userinfo response (OpenID Connect Core 5.3), plain or signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from machtiging.oauth.client import Client
from machtiging.oauth.issuer import Issuer

_HEADERS = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def build_userinfo_response(issuer: Issuer, client: Client, claims: Mapping[str, Any]) -> Response:
    """Build the response: JSON, or application/jwt with `iss` and `aud` (Core 5.3.2).

    Never with `exp` or `iat`: these tell an ID token from signed userinfo (see
    `authentication_request.verify_id_token_hint`).
    """
    if client.userinfo_alg is None:
        return JSONResponse(dict(claims), headers=_HEADERS)
    signed_claims = {**claims, "iss": issuer.url, "aud": client.client_id}
    signed = issuer.keyring.sign_jwt(signed_claims, typ="JWT", alg=client.userinfo_alg)
    return Response(signed, media_type="application/jwt", headers=_HEADERS)
