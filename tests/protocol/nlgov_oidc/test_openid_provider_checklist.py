"""One test per thing that a provider must do (NL GOV Assurance profile for OpenID Connect 1.0.1, chapters 3 to 7).

The number in a name is the section. What we do otherwise has a row in docs/divergences.md, which is looked for here.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from machtiging.kernel.errors import InvalidInput
from machtiging.oauth.openid.authentication_request import AuthenticationRequest
from tests.builders.client import make_app_metadata, make_authorization_details, make_client_keys
from tests.builders.flow import (
    HIGH,
    LOW,
    SUBSTANTIAL,
    approve_consent_page,
    dump_claims,
    log_in_again,
    make_request_object,
    read_redirect,
    request_userinfo,
    start_login_flow,
    verify_id_token,
    verify_jwt,
)
from tests.builders.messages import Pkce, read_query
from tests.builders.tokens import make_refresh_token_holder

DIVERGENCES = (Path(__file__).parents[3] / "docs" / "divergences.md").read_text(encoding="utf-8")
DISCOVERY = "/.well-known/openid-configuration"
PSEUDONYM = "urn:nl-eid-gdi:1.0:id:pseudonym"


async def discovery(oauth):
    return (await oauth.connection().get(DISCOVERY)).json()


async def assert_refused(flow, error="invalid_request", **changes) -> None:
    response = await flow.push(**changes)
    assert response.status_code in (400, 401), (changes, response.text)
    assert response.json()["error"] == error, (changes, response.text)


async def test_3_response_type_other_than_code_is_rejected(oauth) -> None:
    flow = await start_login_flow(oauth)
    for response_type in ("token", "id_token", "id_token token", "code id_token", "code token", "none"):
        await assert_refused(flow, "unsupported_response_type", response_type=response_type)
    assert (await discovery(oauth))["response_types_supported"] == ["code"]


async def test_4_authentication_request_requires_redirect_uri_openid_nonce_and_pkce(oauth) -> None:
    flow = await start_login_flow(oauth)
    for name in ("redirect_uri", "nonce", "code_challenge", "code_challenge_method"):
        await assert_refused(flow, **{name: None})
    await assert_refused(flow, scope=None)


async def test_4_state_is_returned_unchanged(oauth) -> None:
    flow = await start_login_flow(oauth)
    flow.state = "é +&=%/?#" * 10
    assert (await flow.answer())["state"] == flow.state


async def test_4_client_assertion_replayed_is_rejected(oauth) -> None:
    flow = await start_login_flow(oauth)
    form = flow.parameters() | flow.app.credentials()
    assert (await flow.app.http.post("/par", data=form)).status_code == 201
    assert (await flow.app.http.post("/par", data=form)).json()["error"] == "invalid_client"
    nothing = {"client_assertion": None, "client_assertion_type": None}
    for change in (nothing, nothing | {"client_secret": "x"}):
        assert (await flow.app.post("/par", flow.parameters(), **change)).json()["error"] == "invalid_client"
    assert "client_secret_basic" not in (await discovery(oauth))["token_endpoint_auth_methods_supported"]


async def test_5_pkce_requires_s256_and_verifier_of_43_to_128_characters(oauth) -> None:
    flow = await start_login_flow(oauth)
    await assert_refused(flow, code_challenge_method="plain")
    await assert_refused(flow, code_challenge_method=None)
    for length in (42, 129):
        flow.pkce = Pkce("v" * length)
        assert (await flow.redeem(await flow.code())).json()["error"] == "invalid_grant", length
    for length in (43, 128):
        flow.pkce = Pkce("v" * length)
        assert (await flow.redeem(await flow.code())).status_code == 200, length


async def test_5_cors_wildcard_is_for_metadata_and_keys_only(oauth) -> None:
    """Metadata and keys are readable from any origin: see `tests/protocol/cors`."""
    http = oauth.connection()
    headers = {"Origin": "https://kwaad.example"}
    for path in ("/userinfo", "/authorize", "/logout"):
        assert "access-control-allow-origin" not in (await http.get(path, headers=headers)).headers, path
    for path in ("/token", "/par", "/userinfo"):
        assert "access-control-allow-origin" not in (await http.post(path, headers=headers)).headers, path


async def test_5_mandatory_features_of_core_15_1_are_supported(oauth) -> None:
    """ID tokens by RS256, prompt, display, ui_locales, claims_locales, auth_time, max_age, acr_values."""
    flow = await start_login_flow(oauth)
    wishes = {"display": "touch", "ui_locales": "fy nl", "claims_locales": "nl", "max_age": "3600", "prompt": "consent"}
    tokens = await flow.tokens(**wishes, acr_values=LOW)
    header, told = await verify_jwt(oauth, tokens["id_token"])
    assert header["alg"] == "RS256"
    assert told["auth_time"] <= told["iat"]
    assert (
        read_redirect(await flow.authorize(await flow.pushed(prompt="none", max_age="1")))["error"] == "login_required"
    )


async def test_5_1_1_signed_request_object_is_accepted_and_counts_alone(oauth) -> None:
    flow = await start_login_flow(oauth)
    flow.asks = make_authorization_details()
    text = make_request_object(flow, prompt="login", max_age=60, claims={"id_token": {"name": None}})
    response = await flow.app.post("/par", {"request": text})
    assert response.status_code == 201, response.text
    shown = await flow.authorize(response.json()["request_uri"])
    assert read_query(shown.headers["location"])["opnieuw"] == "ja"
    page = await log_in_again(flow, shown)
    assert "Uw naam:" in page.text
    beside = await flow.app.post("/par", {"request": make_request_object(flow), "max_age": "1"})
    assert beside.status_code == 400


async def test_5_1_1_request_uri_of_the_client_is_not_fetched(oauth) -> None:
    flow = await start_login_flow(oauth)
    await assert_refused(flow, request_uri="https://app.voorbeeld.example/verzoek")
    assert (await discovery(oauth))["request_uri_parameter_supported"] is False


async def test_5_2_1_token_request_with_one_wrong_part_is_rejected(oauth) -> None:
    flow = await start_login_flow(oauth)
    for change in (
        {"code_verifier": "v" * 43},
        {"code_verifier": None},
        {"redirect_uri": "https://app.voorbeeld.example/"},
    ):
        response = await flow.redeem(await flow.code(), **change)
        assert response.json()["error"] in ("invalid_grant", "invalid_request"), change
    other = await oauth.register_reading_app(client_name="Andere app")
    code = await flow.code()
    flow.app, mine = other, flow.app
    assert (await flow.redeem(code)).json()["error"] == "invalid_grant"
    flow.app = mine
    assert (await flow.redeem(code)).status_code == 200


async def test_5_2_2_id_token_has_required_claims_and_lives_five_minutes(oauth) -> None:
    flow = await start_login_flow(oauth)
    told = await verify_id_token(oauth, await flow.tokens())
    assert {"iss", "aud", "sub", "nonce", "jti", "exp", "iat", "nbf"} <= told.keys()
    assert timedelta(seconds=told["exp"] - told["iat"]) <= timedelta(minutes=5)
    assert len(told["jti"]) == 36
    assert "vot" not in told  # acr is used instead


async def test_5_2_2_id_token_acr_is_not_below_the_request(oauth) -> None:
    flow = await start_login_flow(oauth)
    sent = await flow.authorize(await flow.pushed(acr_values=HIGH))
    answer = await approve_consent_page(flow, await log_in_again(flow, sent))
    assert (await verify_id_token(oauth, (await flow.redeem(answer["code"])).json()))["acr"] == HIGH
    uri = await flow.pushed(acr_values="http://eidas.europa.eu/LoA/bestaat-niet")
    assert read_redirect(await flow.authorize(uri))["error"] == "unmet_authentication_requirements"


async def test_5_2_3_subject_is_pairwise_and_no_bsn(oauth) -> None:
    flow = await start_login_flow(oauth)
    first = await verify_id_token(oauth, await flow.tokens())
    elsewhere = "https://elders.voorbeeld.example/terug"
    flow.app = await oauth.register_reading_app(client_name="Andere app", redirect_uris=[elsewhere])
    second = await verify_id_token(oauth, await flow.tokens())
    assert first["sub"] != second["sub"]
    assert first["sub_id_type"] == PSEUDONYM
    assert "999990020" not in str(first) + str(second)
    assert (await discovery(oauth))["subject_types_supported"] == ["pairwise"]


async def test_5_2_4_represents_is_present_only_under_a_machtiging(oauth) -> None:
    flow = await oauth.start_flow()
    told = await verify_id_token(oauth, await flow.tokens())
    assert told["represents"].keys() == {"iss", "sub", "sub_id_type"}  # never exp, nbf, aud here
    assert told["represents"]["sub"] != told["sub"]
    flow.asks = make_authorization_details()
    assert "represents" not in await verify_id_token(oauth, await flow.tokens())


async def test_5_2_5_acr_values_are_those_of_eidas_and_amr_is_absent(oauth) -> None:
    flow = await start_login_flow(oauth)
    tokens = await flow.tokens(claims=dump_claims(id_token={"amr": {"essential": True}}, userinfo={"amr": None}))
    told = await verify_id_token(oauth, tokens)
    assert told["acr"] == SUBSTANTIAL
    assert "amr" not in told
    assert "amr" not in (await request_userinfo(oauth, tokens["access_token"])).json()
    assert (await discovery(oauth))["acr_values_supported"] == [LOW, SUBSTANTIAL, HIGH]


async def test_5_2_7_access_token_is_a_signed_jwt(oauth) -> None:
    flow = await start_login_flow(oauth)
    header, told = await verify_jwt(oauth, (await flow.tokens())["access_token"])
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
    assert {"iss", "azp", "client_id", "sub", "aud", "exp", "iat", "jti", "scope", "acr"} <= told.keys()


async def test_5_2_8_refresh_token_is_single_use(oauth) -> None:
    holder = await make_refresh_token_holder(oauth)
    assert (await holder.refresh()).status_code == 200
    assert (await holder.refresh()).json()["error"] == "invalid_grant"


async def test_5_3_userinfo_has_sub_plain_or_signed(oauth) -> None:
    flow = await start_login_flow(oauth)
    assert "sub" in (await request_userinfo(oauth, (await flow.tokens())["access_token"])).json()
    flow.app = await oauth.register_reading_app(client_name="Andere app", userinfo_signed_response_alg="RS256")
    response = await request_userinfo(oauth, (await flow.tokens())["access_token"])
    header, told = await verify_jwt(oauth, response.text)
    assert header["alg"] == "RS256"
    assert {"sub", "iss", "aud"} <= told.keys()


async def test_5_4_discovery_has_required_members(oauth) -> None:
    told = await discovery(oauth)
    for name in (
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "scopes_supported",
        "claims_supported",
        "subject_types_supported",
        "token_endpoint_auth_methods_supported",
        "id_token_signing_alg_values_supported",
        "userinfo_signing_alg_values_supported",
        "request_object_signing_alg_values_supported",
        "signed_metadata",
        "sub_id_types_supported",
    ):
        assert told.get(name), name
    assert told["response_types_supported"] == ["code"]
    assert told["grant_types_supported"] == ["authorization_code"]
    assert "represents" in told["claims_supported"]
    assert "private_key_jwt" in told["token_endpoint_auth_methods_supported"]
    assert "RS256" in told["id_token_signing_alg_values_supported"]
    assert "RS256" in told["userinfo_signing_alg_values_supported"]
    assert (await oauth.connection().get("/.well-known/oauth-authorization-server")).status_code == 200


async def test_5_4_discovery_lists_every_released_claim(oauth) -> None:
    flow = await oauth.start_flow()
    tokens = await flow.tokens(claims=dump_claims(id_token={"name": None}, userinfo={"name": None}))
    told = (await verify_id_token(oauth, tokens)).keys() | (
        await request_userinfo(oauth, tokens["access_token"])
    ).json().keys()
    assert told == set((await discovery(oauth))["claims_supported"])


async def test_5_4_webfinger_returns_404(oauth) -> None:
    assert (await oauth.connection().get("/.well-known/webfinger?resource=acct:x@y")).status_code == 404


async def test_5_4_jwks_keys_have_kid_alg_and_use(oauth) -> None:
    for key in (await oauth.connection().get("/jwks")).json()["keys"]:
        assert {"kid", "kty", "alg", "use"} <= key.keys()
        assert not {"d", "p", "q", "k"} & key.keys()


@pytest.mark.parametrize(
    "wrong",
    [
        {"redirect_uris": ["http://app.voorbeeld.example/terug"]},
        {"subject_type": "public"},
        {"jwks_uri": "https://app.voorbeeld.example/sleutels"},  # jwks is present too
        {"id_token_signed_response_alg": "none"},
        {"grant_types": ["authorization_code", "client_credentials"]},
        {"grant_types": ["implicit"]},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_5_5_registration_with_unsupported_metadata_is_rejected(oauth, wrong) -> None:
    with pytest.raises(InvalidInput):
        await oauth.add(make_app_metadata(make_client_keys(), **wrong))


async def test_6_claims_parameter_releases_only_requested_claims(oauth) -> None:
    flow = await start_login_flow(oauth)
    assert (await discovery(oauth))["claims_parameter_supported"] is True
    plain = await verify_id_token(oauth, await flow.tokens())
    asked = await verify_id_token(oauth, await flow.tokens(claims=dump_claims(id_token={"name": None})))
    assert asked.keys() - plain.keys() == {"name"}
    assert AuthenticationRequest().claims_to_release == {}


async def test_6_scope_profile_is_rejected(oauth) -> None:
    flow = await start_login_flow(oauth)
    await assert_refused(flow, "invalid_scope", scope="openid profile")
    assert "profile" not in (await discovery(oauth))["scopes_supported"]


async def test_7_refresh_token_is_not_issued_to_unregistered_client(oauth) -> None:
    flow = await start_login_flow(oauth)
    assert "refresh_token" not in await flow.tokens()


async def test_7_pages_and_answers_have_hsts(oauth) -> None:
    for path in (DISCOVERY, "/logout", "/authorize"):
        assert "max-age=31536000" in (await oauth.connection().get(path)).headers["strict-transport-security"]


async def test_7_mix_up_responses_and_errors_have_issuer(oauth) -> None:
    flow = await start_login_flow(oauth)
    assert (await flow.answer())["iss"] == "https://machtigen.test"
    assert (
        read_redirect(await flow.authorize(await flow.pushed(prompt="none", max_age="0")))["iss"]
        == "https://machtigen.test"
    )
    assert (await discovery(oauth))["authorization_response_iss_parameter_supported"] is True


@pytest.mark.parametrize(
    "deviation",
    ["encrypted request objects and ID tokens", "PKIoverheid chain in `x5c`", "algorithms of client assertions"],
)
def test_deviation_from_profile_is_documented(deviation) -> None:
    assert f"| {deviation}" in DIVERGENCES
