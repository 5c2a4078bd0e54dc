"""The claims parameter (OpenID Connect Core 5.5): only the name is released, only where requested, after consent."""

from __future__ import annotations

import json

import pytest

from tests.builders.client import make_authorization_details
from tests.builders.flow import dump_claims, request_userinfo, start_login_flow, verify_id_token
from tests.builders.messages import read_claims


@pytest.fixture
async def person_name(oauth):
    """The name of the person at the stand-in broker."""
    browser = await oauth.logged_in()
    return (await browser.me())["name"]


async def test_name_is_not_released_without_claims_request(oauth, person_name) -> None:
    flow = await start_login_flow(oauth)
    page = (await flow.authorize(await flow.pushed())).text
    assert "De app krijgt uw naam en BSN niet." in page
    tokens = await flow.tokens()
    told = (
        json.dumps(await verify_id_token(oauth, tokens)) + (await request_userinfo(oauth, tokens["access_token"])).text
    )
    assert person_name not in told


async def test_consent_page_says_that_the_name_is_released(oauth, person_name) -> None:
    flow = await start_login_flow(oauth)
    page = (await flow.authorize(await flow.pushed(claims=dump_claims(userinfo={"name": None})))).text
    assert f"Uw naam: {person_name}." in page
    assert "De app krijgt uw BSN niet." in page
    assert "krijgt uw naam en BSN niet" not in page


@pytest.mark.parametrize("place", ["id_token", "userinfo"])
async def test_name_is_released_only_where_requested(oauth, person_name, place) -> None:
    flow = await start_login_flow(oauth)
    tokens = await flow.tokens(claims=dump_claims(**{place: {"name": {"essential": True}}}))
    found = {
        "id_token": (await verify_id_token(oauth, tokens)).get("name"),
        "userinfo": (await request_userinfo(oauth, tokens["access_token"])).json().get("name"),
    }
    assert found == {"id_token": None, "userinfo": None} | {place: person_name}
    assert "name" not in read_claims(tokens["access_token"])


async def test_name_under_machtiging_is_that_of_the_gemachtigde(oauth, person_name) -> None:
    flow = await oauth.start_flow()
    told = await verify_id_token(oauth, await flow.tokens(claims=dump_claims(id_token={"name": None})))
    assert told["name"] == person_name
    assert told["represents"].keys() == {"iss", "sub", "sub_id_type"}


async def test_claims_not_released_are_ignored_even_if_essential(oauth) -> None:
    flow = await start_login_flow(oauth)
    every = {name: {"essential": True} for name in ("bsn", "birthdate", "email", "kvk", "roles", "amr", "address", "x")}
    asked = dump_claims(id_token=every, userinfo=every, iets_anders={"x": 1})
    tokens = await flow.tokens(claims=asked)
    assert not (await verify_id_token(oauth, tokens)).keys() & every.keys()
    told = await request_userinfo(oauth, tokens["access_token"])
    assert not told.json().keys() & every.keys()
    assert "999990020" not in told.text


async def test_name_with_requested_value_is_not_confirmed(oauth, person_name) -> None:
    flow = await start_login_flow(oauth)
    for rule in ({"value": person_name}, {"values": [person_name, "x"]}):
        tokens = await flow.tokens(claims=dump_claims(id_token={"name": rule}))
        assert "name" not in await verify_id_token(oauth, tokens)


async def test_claims_request_cannot_overwrite_protocol_claims(oauth) -> None:
    flow = await start_login_flow(oauth)
    asked = {name: {"value": "kwaad"} for name in ("iss", "aud", "exp", "nonce", "sid", "represents")}
    told = await verify_id_token(oauth, await flow.tokens(claims=dump_claims(id_token=asked)))
    assert (told["iss"], told["nonce"], told["aud"]) == ("https://machtigen.test", flow.nonce, flow.app.client_id)
    assert "represents" not in told


async def test_claims_request_without_openid_releases_nothing(oauth) -> None:
    flow = await oauth.start_flow()
    tokens = await flow.tokens(scope=None, claims=dump_claims(id_token={"name": None}, userinfo={"name": None}))
    assert "id_token" not in tokens
    assert (await request_userinfo(oauth, tokens["access_token"])).status_code == 403


async def test_name_is_not_released_after_consent_ended(oauth) -> None:
    flow = await start_login_flow(oauth)
    tokens = await flow.tokens(claims=dump_claims(userinfo={"name": None}))
    await flow.app.post("/revoke", {"token": tokens["access_token"]})
    assert (await request_userinfo(oauth, tokens["access_token"])).status_code == 401


BAD = [
    "[]",
    "null",
    "7",
    '"x"',
    "{",
    '{"id_token": []}',
    '{"id_token": "name"}',
    '{"id_token": {"name": true}}',
    '{"id_token": {"name": []}}',
    '{"id_token": {"name": {"essential": "ja"}}}',
    '{"id_token": {"acr": {"values": "x"}}}',
    '{"id_token": {"acr": {"value": "x", "values": []}}}',
    '{"id_token": {}, "id_token": {"name": null}}',
    '{"id_token": {"name": null, "name": null}}',
    "[" * 2000,
    '{"id_token": {"x": ' + "1" * 5000 + "}}",
    json.dumps({"id_token": {"x" * 4200: None}}),
]


async def test_claims_parameter_malformed_is_rejected(oauth) -> None:
    flow = await oauth.request()
    for text in BAD:
        response = await flow.push(claims=text)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_request"), text


async def test_claims_parameter_with_odd_values_is_ignored(oauth) -> None:
    flow = await oauth.request()
    for text in (
        '{"id_token": {"acr": {"values": [null, 7, {}, "\\u0000", "\\ud800"]}}}',
        '{"id_token": {"sub": {"values": [null, 7, {}, "\\u0000", "\\ud800"]}}}',
        '{"id_token": {"auth_time": {"values": [null, true, 1e400, "x", -1]}}}',
        '{"id_token": {"\\u0000": null}, "\\ud800": 1}',
        '{"id_token": null, "userinfo": null}',
        "{}",
    ):
        assert (await flow.push(claims=text)).status_code == 201, text


async def test_name_with_own_box_is_released(oauth, person_name) -> None:
    flow = await start_login_flow(oauth)
    flow.asks = make_authorization_details()
    told = await verify_id_token(oauth, await flow.tokens(claims=dump_claims(id_token={"name": None})))
    assert told["name"] == person_name
