"""RFC 8693: only the audience of an active token that we issued may exchange it."""

from __future__ import annotations

import json

from tests.builders.client import make_client_assertion, make_client_keys
from tests.builders.messages import read_claims
from tests.builders.tokens import ADVIES, ARCHIEF, HUIS, assert_oauth_error

JWT = "urn:ietf:params:oauth:token-type:jwt"


async def test_exchange_by_service_other_than_audience_is_rejected_and_journalled(chain) -> None:
    await chain.register_server()
    thief = await chain.register_exchanger(resource=ADVIES, client_name="Advies")
    magazijn = await chain.register_exchanger(resource=None, client_name="Magazijn")
    await chain.register_server(resource=ARCHIEF, client_name="Archief")
    answers = {
        (await chain.exchange(thief, await chain.issue_token(HUIS))).text,
        (await chain.exchange(thief, await chain.issue_token(None))).text,
        (await chain.exchange(magazijn, await chain.issue_token(HUIS))).text,
        (await chain.exchange(thief, "onzin")).text,
    }
    assert len(answers) == 1
    assert json.loads(answers.pop())["error"] == "invalid_request"
    reasons = [line.reason for line in await chain.oauth.lines("token:geweigerd")]
    assert reasons == ["token_voor_ander"] * 3 + ["token_onbruikbaar"]


async def test_exchange_of_exchanged_token_by_its_requester_is_rejected(chain) -> None:
    huis = await chain.register_exchanger()
    await chain.register_exchanger(resource=ARCHIEF, client_name="Archief")
    await chain.register_server(resource=ADVIES, client_name="Advies")
    second = await chain.exchanged(huis, await chain.issue_token())
    assert_oauth_error(await chain.exchange(huis, second, resource=ADVIES), "invalid_request")


async def test_exchange_by_client_of_other_grant_type_is_rejected(chain) -> None:
    huis, public = await chain.register_server(), await chain.oauth.register_public_app()
    first = await chain.issue_token()
    for client in (chain.app, huis, await chain.oauth.register_agency()):
        assert_oauth_error(await chain.exchange(client, first), "unauthorized_client")
    response = await chain.exchange(public, first)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


async def test_exchange_client_with_other_grant_types_is_rejected(chain) -> None:
    huis = await chain.register_exchanger()
    assert_oauth_error(await huis.post("/token", {"grant_type": "client_credentials"}), "unauthorized_client")
    form = {"grant_type": "authorization_code", "code": "x", "redirect_uri": HUIS, "code_verifier": "x" * 43}
    assert_oauth_error(await huis.post("/token", form), "unauthorized_client")


async def test_exchange_without_client_authentication_is_rejected(chain) -> None:
    huis, _ = await chain.register_exchanger(), await chain.register_server(resource=ARCHIEF, client_name="Archief")
    first = await chain.issue_token()
    foreign = make_client_assertion(make_client_keys(), huis.client_id, chain.oauth.clock)
    for changes in ({"client_assertion": foreign}, {"client_assertion": None, "client_assertion_type": None}):
        response = await chain.exchange(huis, first, **changes)
        assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


async def test_exchange_of_agency_token_is_rejected(chain) -> None:
    magazijn = await chain.register_exchanger(resource=None, client_name="Magazijn")
    await chain.register_server(resource=ARCHIEF, client_name="Archief")
    response = await (await chain.oauth.register_agency()).post("/token", {"grant_type": "client_credentials"})
    assert_oauth_error(await chain.exchange(magazijn, response.json()["access_token"]), "invalid_request")


async def test_exchange_of_anything_but_active_access_token_is_rejected(chain) -> None:
    huis, _ = await chain.register_exchanger(), await chain.register_server(resource=ARCHIEF, client_name="Archief")
    first = await chain.issue_token()
    keyring, claims = chain.oauth.service.state.services.keyring, read_claims(first)
    head, payload, signature = first.split(".")
    for wrong in (
        first[:-4] + ("AAAA" if first[-4:] != "AAAA" else "BBBB"),
        f"{head}.{payload}.",
        f"eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{payload}.{signature}",
        keyring.sign_jwt(claims, typ="JWT"),
        keyring.sign_jwt(claims | {"aud": [HUIS]}, typ="at+jwt"),
        keyring.sign_jwt(claims | {"aud": ARCHIEF}, typ="at+jwt"),
        keyring.sign_jwt(claims | {"iss": "https://ander.example"}, typ="at+jwt"),
        keyring.sign_jwt(claims | {"client_id": huis.client_id}, typ="at+jwt"),
        keyring.sign_jwt(claims | {"jti": claims["jti"][:-4] + "0000"}, typ="at+jwt"),
        claims["jti"],
        "a.b.c",
        "é",
        "x" * 16_000,
        first + ".",
        f"{head}.{'A' * 9_000}.{signature}",
    ):
        assert_oauth_error(await chain.exchange(huis, wrong), "invalid_request")
    assert (await chain.exchange(huis, first)).status_code == 200
