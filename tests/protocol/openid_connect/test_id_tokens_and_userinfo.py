"""ID tokens and userinfo: claims, signatures and lifetimes."""

from __future__ import annotations

import pytest

from machtiging.kernel.errors import InvalidInput
from tests.builders.client import make_agency_metadata, make_app_metadata, make_client_keys
from tests.builders.flow import LOW, request_userinfo, start_login_flow, verify_id_token, verify_jwt
from tests.builders.messages import read_claims


async def test_id_token_has_exactly_the_expected_claims(oauth) -> None:
    flow = await start_login_flow(oauth)
    told = await verify_id_token(oauth, await flow.tokens())
    assert told.keys() == {
        *("iss", "sub", "sub_id_type", "aud", "exp", "iat", "nbf", "jti", "nonce", "acr", "auth_time", "sid"),
        "at_hash",
    }
    assert told["aud"] == flow.app.client_id
    assert told["nonce"] == flow.nonce
    assert told["exp"] - told["iat"] <= 300
    assert told["auth_time"] == told["iat"] - 300


@pytest.mark.parametrize("alg", [None, "RS256", "PS256", "ES256"])
async def test_id_token_is_signed_with_the_registered_algorithm(oauth, alg) -> None:
    changes = {} if alg is None else {"id_token_signed_response_alg": alg}
    flow = await start_login_flow(oauth, await oauth.register_reading_app(**changes))
    header, _ = await verify_jwt(oauth, (await flow.tokens())["id_token"])
    assert header["alg"] == (alg or "RS256")
    assert header["typ"] == "JWT"


async def test_id_token_jti_is_unique(oauth) -> None:
    flow = await start_login_flow(oauth)
    ids = {(await verify_id_token(oauth, await flow.tokens()))["jti"] for _ in range(3)}
    assert len(ids) == 3


async def test_sid_is_stable_per_client_and_session_and_differs_per_client(oauth) -> None:
    flow = await start_login_flow(oauth)
    first = await verify_id_token(oauth, await flow.tokens())
    assert (await verify_id_token(oauth, await flow.tokens()))["sid"] == first["sid"]
    flow.app = await oauth.register_reading_app(client_name="Andere app")
    assert (await verify_id_token(oauth, await flow.tokens()))["sid"] != first["sid"]
    flow.browser = await oauth.logged_in()
    assert first["sid"] not in (await verify_id_token(oauth, await flow.tokens()))["sid"]


async def test_id_token_acr_above_request_is_not_lowered(oauth) -> None:
    flow = await start_login_flow(oauth)
    assert (await verify_id_token(oauth, await flow.tokens(acr_values=LOW)))["acr"].endswith("substantial")


async def test_userinfo_claims_equal_id_token_claims(oauth) -> None:
    flow = await oauth.start_flow()
    tokens = await flow.tokens()
    told, mine = (await request_userinfo(oauth, tokens["access_token"])).json(), read_claims(tokens["id_token"])
    for name in ("sub", "acr", "auth_time", "represents"):
        assert told[name] == mine[name]
    assert "sid" not in told


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256"])
async def test_userinfo_is_signed_with_the_registered_algorithm(oauth, alg) -> None:
    flow = await start_login_flow(oauth, await oauth.register_reading_app(userinfo_signed_response_alg=alg))
    tokens = await flow.tokens()
    response = await request_userinfo(oauth, tokens["access_token"])
    assert response.headers["content-type"] == "application/jwt"
    assert response.headers["cache-control"] == "no-store"
    header, told = await verify_jwt(oauth, response.text)
    assert header["alg"] == alg
    assert (told["iss"], told["aud"]) == ("https://machtigen.test", flow.app.client_id)
    assert told["sub"] == read_claims(tokens["id_token"])["sub"]
    assert not {"exp", "iat", "nonce", "amr"} & told.keys()


async def test_signed_userinfo_used_as_access_token_is_rejected(oauth) -> None:
    flow = await start_login_flow(oauth, await oauth.register_reading_app(userinfo_signed_response_alg="PS256"))
    text = (await request_userinfo(oauth, (await flow.tokens())["access_token"])).text
    assert (await request_userinfo(oauth, text)).status_code == 401


async def test_userinfo_with_id_token_or_no_token_returns_401(oauth) -> None:
    flow = await start_login_flow(oauth)
    tokens = await flow.tokens()
    assert (await request_userinfo(oauth, tokens["id_token"])).status_code == 401
    assert (await oauth.connection().get("/userinfo")).status_code == 401


@pytest.mark.parametrize("alg", ["none", "HS256", "RS512", "", None, ["PS256"]])
async def test_userinfo_signing_algorithm_unsupported_is_rejected_at_registration(oauth, alg) -> None:
    with pytest.raises(InvalidInput) as refused:
        await oauth.add(make_app_metadata(make_client_keys(), userinfo_signed_response_alg=alg))
    assert "userinfo_signed_response_alg" in refused.value.fields


async def test_openid_metadata_of_machine_client_is_rejected_at_registration(oauth) -> None:
    for name, value in (
        ("userinfo_signed_response_alg", "PS256"),
        ("post_logout_redirect_uris", ["https://app.voorbeeld.example/uit"]),
        ("backchannel_logout_uri", "https://app.voorbeeld.example/uit"),
        ("backchannel_logout_session_required", True),
    ):
        with pytest.raises(InvalidInput) as refused:
            await oauth.add(make_agency_metadata(make_client_keys(), **{name: value}))
        assert name in refused.value.fields
