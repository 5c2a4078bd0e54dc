"""An OpenID provider whose answers the test chooses, also forged or malformed ones."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.builders.messages import make_unsigned_jwt
from tests.builders.people import BROKER, CLIENT_ID

ACR = "http://eidas.europa.eu/LoA/"


def make_login_claims(at: datetime, nonce: str, /, **changes: Any) -> dict[str, Any]:
    """Claims of an honest login; a change to None leaves the claim out."""
    now = int(at.timestamp())
    claims = {"iss": BROKER, "sub": "iemand", "aud": CLIENT_ID, "iat": now, "exp": now + 300, "auth_time": now}
    claims |= {"nonce": nonce, "acr": ACR + "substantial", "bsn": "999990020", "name": "Bram van der Linden"}
    return {name: value for name, value in (claims | changes).items() if value is not None}


class MisbehavingBroker(httpx.AsyncBaseTransport):
    """Discovery, keys and token endpoint of a broker. `token` is what comes out of the latter."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", auto_kid=True)
        self.published = [self.key]
        self.token: Any = None
        self.metadata: dict[str, Any] = {
            "issuer": BROKER,
            "authorization_endpoint": BROKER + "/authorize",
            "token_endpoint": BROKER + "/token",
            "jwks_uri": BROKER + "/jwks",
        }
        self.answers: dict[str, httpx.Response | Exception] = {}
        self.asked: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        await request.aread()
        prepared = self.answers.get(request.url.path)
        if isinstance(prepared, Exception):
            raise prepared
        return prepared or httpx.Response(200, json=self._honest(request.url.path))

    def _honest(self, path: str) -> dict[str, Any]:
        if path == "/jwks":
            return {"keys": [key.as_dict(private=False) for key in self.published]}
        if path == "/token":
            return {"access_token": "none", "token_type": "Bearer", "id_token": self.token}
        return self.metadata

    def sign(self, claims: dict[str, Any], key: Any = None, **header: Any) -> str:
        """A token as an honest broker signs it, or with another key or header."""
        signer = key or self.key
        full = {"alg": "ES256", "kid": self.key.kid, "typ": "JWT", **header}
        return jwt.encode(full, claims, signer, algorithms=[full["alg"]])


def make_unsigned_id_token(claims: dict[str, Any], **header: Any) -> str:
    """A token with `alg: none` and no signature, in the shape that libraries once accepted."""
    return make_unsigned_jwt({"alg": "none", "typ": "JWT", **header}, claims)
