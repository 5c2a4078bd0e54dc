"""Signed CIBA requests (section 7.1.1): only signed parameters count, once; a client registered to sign must sign."""

from __future__ import annotations

import secrets
from typing import Any

from tests.builders.ciba import MESSAGE, register_ciba_desk
from tests.builders.client import make_client_keys
from tests.builders.flow import ISSUER
from tests.builders.keys import sign_jws
from tests.builders.rows import BACKCHANNEL_REQUESTS


def request_object(ciba_desk, code, *, key=None, **changes: Any) -> str:
    now = int(ciba_desk.oauth.clock.now().timestamp())
    asked = {"scope": "openid", "login_hint": code, "binding_message": MESSAGE, "requested_expiry": 120}
    about = {"iss": ciba_desk.app.client_id, "aud": ISSUER, "iat": now, "nbf": now, "exp": now + 60}
    claims = {**asked, **about, "jti": secrets.token_urlsafe(16), **changes}
    kept = {name: value for name, value in claims.items() if value is not None}
    return sign_jws({"alg": "ES256", "kid": "app-1"}, kept, key or ciba_desk.app.keys.private)


async def send_request(ciba_desk, text, **beside: Any):
    return await ciba_desk.app.post("/bc-authorize", {"request": text, **beside})


async def test_signed_request_replayed_is_rejected(ciba_desk) -> None:
    text = request_object(ciba_desk, await ciba_desk.create_meldcode())
    response = await send_request(ciba_desk, text)
    assert response.status_code == 200, response.text
    assert response.json()["expires_in"] == 120
    assert (await ciba_desk.rows())[0].binding_message == MESSAGE
    again = await send_request(ciba_desk, text)
    assert again.json()["error"] == "invalid_request_object"


WRONG = [
    {"iss": "ander"},
    {"client_id": "ander"},
    {"aud": "https://ander.example"},
    {"exp": 1},
    {"jti": None},
    {"exp": None},
]


async def test_signed_request_with_wrong_audience_times_or_issuer_is_rejected(ciba_desk) -> None:
    code = await ciba_desk.create_meldcode()
    for changes in WRONG:
        response = await send_request(ciba_desk, request_object(ciba_desk, code, **changes))
        assert response.json()["error"] == "invalid_request_object", changes
        assert await BACKCHANNEL_REQUESTS.count(ciba_desk.oauth) == 0, changes
    assert (await ciba_desk.asks(code)).status_code == 200


async def test_signed_request_with_other_key_or_parameters_beside_it_is_rejected(ciba_desk) -> None:
    forged = request_object(ciba_desk, await ciba_desk.create_meldcode(), key=make_client_keys().private)
    assert (await send_request(ciba_desk, forged)).json()["error"] == "invalid_request_object"
    own = request_object(ciba_desk, await ciba_desk.create_meldcode())
    assert (await send_request(ciba_desk, own, binding_message="Balie 9")).json()["error"] == "invalid_request_object"
    assert await BACKCHANNEL_REQUESTS.count(ciba_desk.oauth) == 0


async def test_downgrade_unsigned_request_by_signing_client_is_rejected(oauth) -> None:
    signing = await register_ciba_desk(oauth, backchannel_authentication_request_signing_alg="ES256")
    response = await signing.asks()
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert (await send_request(signing, request_object(signing, await signing.create_meldcode()))).status_code == 200
