"""Userinfo (OpenID Connect Core 5.3): plain, or signed for the client that registered for that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from machtiging.oauth.client import Client
from machtiging.oauth.issuer import Issuer

_HEADERS = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def answer(issuer: Issuer, client: Client, claims: Mapping[str, Any]) -> Response:
    """The claims as JSON, or as application/jwt with `iss` and `aud` (Core 5.3.2).

    Never with `exp` or `iat`: by those an ID token is known from it (see `wishes.hinted`).
    """
    if client.userinfo_alg is None:
        return JSONResponse(dict(claims), headers=_HEADERS)
    told = {**claims, "iss": issuer.url, "aud": client.client_id}
    signed = issuer.keyring.sign_jwt(told, typ="JWT", alg=client.userinfo_alg)
    return Response(signed, media_type="application/jwt", headers=_HEADERS)
