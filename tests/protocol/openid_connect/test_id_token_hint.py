"""id_token_hint and requested `sub`: another person than the client means gets login_required."""

from __future__ import annotations

import pytest

from tests.builders.client import make_client_keys
from tests.builders.flow import dump_claims, read_redirect, request_userinfo, start_login_flow
from tests.builders.keys import load_keyring, sign_jws
from tests.builders.messages import read_claims


async def push_and_authorize(flow, **wishes):
    return await flow.authorize(await flow.pushed(**wishes))


async def test_id_token_hint_of_same_person_shows_consent_page(oauth) -> None:
    flow = await start_login_flow(oauth)
    hint = (await flow.tokens())["id_token"]
    assert (await push_and_authorize(flow, id_token_hint=hint)).status_code == 200


async def test_id_token_hint_expired_is_accepted(oauth) -> None:
    flow = await start_login_flow(oauth)
    hint = (await flow.tokens())["id_token"]
    oauth.later(days=900)
    flow.browser = await oauth.logged_in()
    assert (await push_and_authorize(flow, id_token_hint=hint)).status_code == 200


async def test_id_token_hint_of_another_person_returns_login_required(oauth) -> None:
    flow = await start_login_flow(oauth)
    hint = (await flow.tokens())["id_token"]
    flow.browser = await oauth.logged_in("vertegenwoordigde")
    assert read_redirect(await push_and_authorize(flow, id_token_hint=hint))["error"] == "login_required"
    assert read_redirect(await push_and_authorize(flow, id_token_hint=hint, prompt="none"))["error"] == "login_required"


async def test_id_token_hint_is_checked_again_at_consent(oauth) -> None:
    flow = await start_login_flow(oauth)
    hint = (await flow.tokens())["id_token"]
    uri = await flow.pushed(id_token_hint=hint)
    flow.browser = await oauth.logged_in("vertegenwoordigde")
    form = await flow.consent_form(await flow.pushed())
    assert read_redirect(await flow.press(form | {"request_uri": uri}))["error"] == "login_required"


async def test_id_token_hint_for_another_client_is_rejected(oauth) -> None:
    flow = await start_login_flow(oauth)
    hint = (await flow.tokens())["id_token"]
    flow.app = await oauth.register_reading_app(client_name="Andere app")
    assert (await flow.push(id_token_hint=hint)).json()["error"] == "invalid_request"


async def test_id_token_hint_not_issued_by_us_is_rejected(oauth) -> None:
    flow = await start_login_flow(oauth)
    tokens = await flow.tokens()
    mine = read_claims(tokens["id_token"])
    keys, ours = make_client_keys(), load_keyring()
    changed = tokens["id_token"][:-4] + ("AAAA" if not tokens["id_token"].endswith("AAAA") else "BBBB")
    for hint in (
        "x",
        "a.b.c",
        changed,
        tokens["access_token"],
        sign_jws({"alg": "ES256", "kid": "app-1", "typ": "JWT"}, mine, keys.private),
        ours.sign_jwt(mine, typ="logout+jwt"),
        ours.sign_jwt(mine | {"iss": "https://ander.example"}, typ="JWT"),
        ours.sign_jwt(mine | {"sub": 7}, typ="JWT"),
        ours.sign_jwt(mine | {"aud": [mine["aud"]]}, typ="JWT"),
    ):
        response = await flow.push(id_token_hint=hint)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_request"), hint[:20]
        assert response.json()["error_description"].startswith("The id_token_hint is not")


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256"])
async def test_id_token_hint_that_is_signed_userinfo_is_rejected(oauth, alg) -> None:
    flow = await start_login_flow(oauth, await oauth.register_reading_app(userinfo_signed_response_alg=alg))
    tokens = await flow.tokens()
    told = (await request_userinfo(oauth, tokens["access_token"])).text
    assert read_claims(told)["sub"] == read_claims(tokens["id_token"])["sub"]
    response = await flow.push(id_token_hint=told)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert (await flow.push(id_token_hint=tokens["id_token"])).status_code == 201


async def test_id_token_hint_without_required_claim_is_rejected(oauth) -> None:
    flow = await start_login_flow(oauth)
    mine = read_claims((await flow.tokens())["id_token"])
    assert (await flow.push(id_token_hint=load_keyring().sign_jwt(mine, typ="JWT"))).status_code == 201
    for left_out in ("exp", "iat", "auth_time", "sub", "aud", "iss"):
        rest = {name: value for name, value in mine.items() if name != left_out}
        response = await flow.push(id_token_hint=load_keyring().sign_jwt(rest, typ="JWT"))
        assert (response.status_code, response.json()["error"]) == (400, "invalid_request"), left_out


async def test_claims_sub_of_another_person_returns_login_required(oauth) -> None:
    flow = await start_login_flow(oauth)
    mine = read_claims((await flow.tokens())["id_token"])["sub"]
    for right in ({"value": mine}, {"values": ["A" * 43, mine]}, {"essential": True, "value": mine}, None):
        assert (await push_and_authorize(flow, claims=dump_claims(id_token={"sub": right}))).status_code == 200, right
    for wrong in ({"value": "A" * 43}, {"values": ["x"]}, {"value": 7}, {"value": {"$ne": ""}}, {"value": "\0"}):
        told = read_redirect(await push_and_authorize(flow, claims=dump_claims(userinfo={"sub": wrong})))
        assert told["error"] == "login_required", wrong


async def test_id_token_hint_and_claims_sub_mismatch_is_login_required(oauth) -> None:
    flow = await start_login_flow(oauth)
    hint = (await flow.tokens())["id_token"]
    other = dump_claims(id_token={"sub": {"value": "A" * 43}})
    assert read_redirect(await push_and_authorize(flow, id_token_hint=hint, claims=other))["error"] == "login_required"


@pytest.mark.parametrize("by", [0, 1])
async def test_claims_auth_time_of_another_login_returns_login_required(oauth, by) -> None:
    flow = await start_login_flow(oauth)
    mine = read_claims((await flow.tokens())["id_token"])["auth_time"]
    response = await push_and_authorize(
        flow, claims=dump_claims(id_token={"auth_time": {"essential": True, "value": mine + by}})
    )
    if by:
        assert read_redirect(response)["error"] == "login_required"
    else:
        assert response.status_code == 200
