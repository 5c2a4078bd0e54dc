"""Single steps of a client with every part to be changed. With a key, to refresh, to sign a request, to exchange."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

import httpx
from joserfc import jws
from joserfc.jwk import ECKey

from tests.builders.messages import make_unsigned_jwt
from tests.protocol.black_box.authorization_server import Attempt, BlackBoxServer, make_dpop_proof

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
REQUEST = "oauth-authz-req+jwt"


async def with_proof(
    server: BlackBoxServer, key: ECKey, endpoint: str, form: dict[str, Any], **changes: Any
) -> httpx.Response:
    """Post with a DPoP proof, and again with a nonce if the server asks."""
    address = server.metadata[endpoint]
    client = changes.pop("client")
    answer = None
    for _ in range(2):
        nonce = {} if answer is None else {"nonce": answer.headers["dpop-nonce"]}
        proof = make_dpop_proof(key, "POST", address, **{**nonce, **changes})
        body = {**client.credentials(server.issuer), **form}
        answer = await server.http.post(address, data=body, headers={"DPoP": proof})
        if "use_dpop_nonce" not in answer.text:
            break
    assert answer is not None
    return answer


async def with_key(attempt: Attempt, key: ECKey, **changes: Any) -> httpx.Response:
    """Walk the code flow and redeem the code with a proof of a key."""
    form = {
        "grant_type": "authorization_code",
        "code": await attempt.code(**changes.pop("asking", {})),
        "redirect_uri": attempt.client.redirect_uri,
        "code_verifier": attempt.pkce.verifier,
    }
    return await with_proof(attempt.server, key, "token_endpoint", form, client=attempt.client, **changes)


async def use_refresh_token(
    server: BlackBoxServer, token: str | None, by: str = "refreshing", **more: Any
) -> httpx.Response:
    """Use a refresh token."""
    form = {"grant_type": "refresh_token", "refresh_token": token, **more}
    return await server.post("token_endpoint", server.client(by), form)


def signed(client: Any, claims: dict[str, Any], **changes: Any) -> str:
    """A JWT of a client. `header` changes the header, `key` the key; other changes are claims (None: left out)."""
    key = changes.pop("key", client.key)
    header = {"alg": "ES256", "kid": client.key.kid, "typ": REQUEST} | changes.pop("header", {})
    header = {name: value for name, value in header.items() if value is not None}
    payload = {name: value for name, value in (claims | changes).items() if value is not None}
    if header["alg"] == "none":
        return make_unsigned_jwt(header, payload)
    return jws.serialize_compact(header, json.dumps(payload).encode(), key, algorithms=[header["alg"]])


def about(server: BlackBoxServer, client: Any) -> dict[str, Any]:
    """The claims of a request object besides its parameters (RFC 9101 section 4)."""
    now = int(time.time())
    times = {"iat": now, "nbf": now, "exp": now + 120, "jti": secrets.token_urlsafe(16)}
    return {"iss": client.client_id, "aud": server.issuer, "client_id": client.client_id, **times}


def request_object(attempt: Attempt, **changes: Any) -> str:
    """The request of this walk, signed (RFC 9101); changes as for `signed`."""
    return signed(attempt.client, attempt.parameters() | about(attempt.server, attempt.client), **changes)


async def push_signed(attempt: Attempt, made: str, **beside: Any) -> httpx.Response:
    """Push a request object, with nothing beside it but what is said."""
    form = {"request": made, **beside}
    return await attempt.server.post("pushed_authorization_request_endpoint", attempt.client, form)


async def exchange_token(
    server: BlackBoxServer, token: str, by: str = "exchanger", to: str = "archive", **more: Any
) -> Any:
    """Exchange a token for one of another resource; None leaves a parameter out."""
    form = {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        "resource": server.client(to).resource,
    }
    return await server.post("token_endpoint", server.client(by), form, **more)
