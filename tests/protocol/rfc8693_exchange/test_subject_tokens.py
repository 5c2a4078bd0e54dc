"""RFC 8693: only the audience of an active token that we issued may exchange it."""

from __future__ import annotations

import json

from tests.builders.client import make_client_assertion, make_client_keys
from tests.builders.messages import read_claims
from tests.builders.tokens import ADVIES, ARCHIEF, HUIS, assert_oauth_error

JWT = "urn:ietf:params:oauth:token-type:jwt"


async def test_exchange_by_service_other_than_audience_is_rejected_and_journalled(exchanging_clients) -> None:
    await exchanging_clients.register_server()
    thief = await exchanging_clients.register_exchanger(resource=ADVIES, client_name="Advies")
    magazijn = await exchanging_clients.register_exchanger(resource=None, client_name="Magazijn")
    await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief")
    answers = {
        (await exchanging_clients.exchange(thief, await exchanging_clients.issue_token(HUIS))).text,
        (await exchanging_clients.exchange(thief, await exchanging_clients.issue_token(None))).text,
        (await exchanging_clients.exchange(magazijn, await exchanging_clients.issue_token(HUIS))).text,
        (await exchanging_clients.exchange(thief, "onzin")).text,
    }
    assert len(answers) == 1
    assert json.loads(answers.pop())["error"] == "invalid_request"
    reasons = [line.reason for line in await exchanging_clients.oauth.lines("token:geweigerd")]
    assert reasons == ["token_voor_ander"] * 3 + ["token_onbruikbaar"]


async def test_exchange_of_exchanged_token_by_its_requester_is_rejected(exchanging_clients) -> None:
    huis = await exchanging_clients.register_exchanger()
    await exchanging_clients.register_exchanger(resource=ARCHIEF, client_name="Archief")
    await exchanging_clients.register_server(resource=ADVIES, client_name="Advies")
    second = await exchanging_clients.exchanged(huis, await exchanging_clients.issue_token())
    assert_oauth_error(await exchanging_clients.exchange(huis, second, resource=ADVIES), "invalid_request")


async def test_exchange_by_client_of_other_grant_type_is_rejected(exchanging_clients) -> None:
    huis, public = await exchanging_clients.register_server(), await exchanging_clients.oauth.register_public_app()
    first = await exchanging_clients.issue_token()
    for client in (exchanging_clients.app, huis, await exchanging_clients.oauth.register_agency()):
        assert_oauth_error(await exchanging_clients.exchange(client, first), "unauthorized_client")
    response = await exchanging_clients.exchange(public, first)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


async def test_exchange_client_with_other_grant_types_is_rejected(exchanging_clients) -> None:
    huis = await exchanging_clients.register_exchanger()
    assert_oauth_error(await huis.post("/token", {"grant_type": "client_credentials"}), "unauthorized_client")
    form = {"grant_type": "authorization_code", "code": "x", "redirect_uri": HUIS, "code_verifier": "x" * 43}
    assert_oauth_error(await huis.post("/token", form), "unauthorized_client")


async def test_exchange_without_client_authentication_is_rejected(exchanging_clients) -> None:
    huis, _ = (
        await exchanging_clients.register_exchanger(),
        await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief"),
    )
    first = await exchanging_clients.issue_token()
    foreign = make_client_assertion(make_client_keys(), huis.client_id, exchanging_clients.oauth.clock)
    for changes in ({"client_assertion": foreign}, {"client_assertion": None, "client_assertion_type": None}):
        response = await exchanging_clients.exchange(huis, first, **changes)
        assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


async def test_exchange_of_agency_token_is_rejected(exchanging_clients) -> None:
    magazijn = await exchanging_clients.register_exchanger(resource=None, client_name="Magazijn")
    await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief")
    response = await (await exchanging_clients.oauth.register_agency()).post(
        "/token", {"grant_type": "client_credentials"}
    )
    assert_oauth_error(await exchanging_clients.exchange(magazijn, response.json()["access_token"]), "invalid_request")


async def test_exchange_of_anything_but_active_access_token_is_rejected(exchanging_clients) -> None:
    huis, _ = (
        await exchanging_clients.register_exchanger(),
        await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief"),
    )
    first = await exchanging_clients.issue_token()
    keyring, claims = exchanging_clients.oauth.service.state.services.keyring, read_claims(first)
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
        assert_oauth_error(await exchanging_clients.exchange(huis, wrong), "invalid_request")
    assert (await exchanging_clients.exchange(huis, first)).status_code == 200
