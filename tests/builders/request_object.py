"""Signed request objects (RFC 9101), whole and with every part changed."""

from __future__ import annotations

import json
import secrets
from typing import Any

import httpx

from tests.builders.clients import signed
from tests.builders.login import ISSUER
from tests.builders.oauth import Flow

REFUSED = {
    "error": "invalid_request_object",
    "error_description": "The request object is not valid, was used before, or is not all that was sent.",
}


def request_object(flow: Flow, *, header: dict[str, Any] | None = None, key: Any = None, **changes: Any) -> str:
    """The parameters of a pushed request, signed by the app. A change of None leaves a member out."""
    app = flow.app
    now = int(app.clock.now().timestamp())
    asked = flow.parameters()
    asked["authorization_details"] = json.loads(asked["authorization_details"])
    about = {"iss": app.client_id, "client_id": app.client_id, "aud": ISSUER, "iat": now, "nbf": now, "exp": now + 300}
    claims = {**asked, **about, "jti": secrets.token_urlsafe(16), **changes}
    protected = {"alg": app.keys.alg, "kid": "app-1", "typ": "oauth-authz-req+jwt"} | (header or {})
    return signed(
        {name: value for name, value in protected.items() if value is not None},
        {name: value for name, value in claims.items() if value is not None},
        key or app.keys.private,
    )


async def send(flow: Flow, made: str, **beside: Any) -> httpx.Response:
    """Push it."""
    return await flow.app.post("/par", {"request": made, **beside})


def is_refused(response: httpx.Response, why: object = "") -> None:
    assert (response.status_code, response.json()) == (400, REFUSED), (why, response.text)
