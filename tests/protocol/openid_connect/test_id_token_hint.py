"""id_token_hint and requested `sub`: another person than the client means gets login_required."""

from __future__ import annotations

import pytest

from tests.builders.black_box import claims_of
from tests.builders.clients import make_client_keys, signed
from tests.builders.crypto import a_keyring
from tests.builders.openid import answer_in, claims, userinfo, who_is_it


async def push_and_authorize(flow, **wishes):
    return await flow.authorize(await flow.pushed(**wishes))


async def test_id_token_hint_of_same_person_shows_consent_page(oauth) -> None:
    flow = await who_is_it(oauth)
    hint = (await flow.tokens())["id_token"]
    assert (await push_and_authorize(flow, id_token_hint=hint)).status_code == 200


async def test_id_token_hint_expired_is_accepted(oauth) -> None:
    flow = await who_is_it(oauth)
    hint = (await flow.tokens())["id_token"]
    oauth.later(days=900)
    flow.browser = await oauth.logged_in()
    assert (await push_and_authorize(flow, id_token_hint=hint)).status_code == 200


async def test_id_token_hint_of_another_person_returns_login_required(oauth) -> None:
    flow = await who_is_it(oauth)
    hint = (await flow.tokens())["id_token"]
    flow.browser = await oauth.logged_in("vertegenwoordigde")
    assert answer_in(await push_and_authorize(flow, id_token_hint=hint))["error"] == "login_required"
    assert answer_in(await push_and_authorize(flow, id_token_hint=hint, prompt="none"))["error"] == "login_required"


async def test_id_token_hint_is_checked_again_at_consent(oauth) -> None:
    flow = await who_is_it(oauth)
    hint = (await flow.tokens())["id_token"]
    uri = await flow.pushed(id_token_hint=hint)
    flow.browser = await oauth.logged_in("vertegenwoordigde")
    form = await flow.consent_form(await flow.pushed())
    assert answer_in(await flow.press(form | {"request_uri": uri}))["error"] == "login_required"


async def test_id_token_hint_for_another_client_is_rejected(oauth) -> None:
    flow = await who_is_it(oauth)
    hint = (await flow.tokens())["id_token"]
    flow.app = await oauth.reading_app(client_name="Andere app")
    assert (await flow.push(id_token_hint=hint)).json()["error"] == "invalid_request"


async def test_id_token_hint_not_issued_by_us_is_rejected(oauth) -> None:
    flow = await who_is_it(oauth)
    tokens = await flow.tokens()
    mine = claims_of(tokens["id_token"])
    keys, ours = make_client_keys(), a_keyring()
    changed = tokens["id_token"][:-4] + ("AAAA" if not tokens["id_token"].endswith("AAAA") else "BBBB")
    for hint in (
        "x",
        "a.b.c",
        changed,
        tokens["access_token"],
        signed({"alg": "ES256", "kid": "app-1", "typ": "JWT"}, mine, keys.private),
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
    flow = await who_is_it(oauth, await oauth.reading_app(userinfo_signed_response_alg=alg))
    tokens = await flow.tokens()
    told = (await userinfo(oauth, tokens["access_token"])).text
    assert claims_of(told)["sub"] == claims_of(tokens["id_token"])["sub"]
    response = await flow.push(id_token_hint=told)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert (await flow.push(id_token_hint=tokens["id_token"])).status_code == 201


async def test_id_token_hint_without_required_claim_is_rejected(oauth) -> None:
    flow = await who_is_it(oauth)
    mine = claims_of((await flow.tokens())["id_token"])
    assert (await flow.push(id_token_hint=a_keyring().sign_jwt(mine, typ="JWT"))).status_code == 201
    for left_out in ("exp", "iat", "auth_time", "sub", "aud", "iss"):
        rest = {name: value for name, value in mine.items() if name != left_out}
        response = await flow.push(id_token_hint=a_keyring().sign_jwt(rest, typ="JWT"))
        assert (response.status_code, response.json()["error"]) == (400, "invalid_request"), left_out


async def test_claims_sub_of_another_person_returns_login_required(oauth) -> None:
    flow = await who_is_it(oauth)
    mine = claims_of((await flow.tokens())["id_token"])["sub"]
    for right in ({"value": mine}, {"values": ["A" * 43, mine]}, {"essential": True, "value": mine}, None):
        assert (await push_and_authorize(flow, claims=claims(id_token={"sub": right}))).status_code == 200, right
    for wrong in ({"value": "A" * 43}, {"values": ["x"]}, {"value": 7}, {"value": {"$ne": ""}}, {"value": "\0"}):
        told = answer_in(await push_and_authorize(flow, claims=claims(userinfo={"sub": wrong})))
        assert told["error"] == "login_required", wrong


async def test_id_token_hint_and_claims_sub_mismatch_is_login_required(oauth) -> None:
    flow = await who_is_it(oauth)
    hint = (await flow.tokens())["id_token"]
    other = claims(id_token={"sub": {"value": "A" * 43}})
    assert answer_in(await push_and_authorize(flow, id_token_hint=hint, claims=other))["error"] == "login_required"


@pytest.mark.parametrize("by", [0, 1])
async def test_claims_auth_time_of_another_login_returns_login_required(oauth, by) -> None:
    flow = await who_is_it(oauth)
    mine = claims_of((await flow.tokens())["id_token"])["auth_time"]
    response = await push_and_authorize(
        flow, claims=claims(id_token={"auth_time": {"essential": True, "value": mine + by}})
    )
    if by:
        assert answer_in(response)["error"] == "login_required"
    else:
        assert response.status_code == 200
