"""RFC 9101 request objects (JAR): only signed parameters count, for our audience, short-lived, single use."""

from __future__ import annotations

import asyncio
import json
import secrets

import pytest

from machtiging.oauth.clients.metadata import find_metadata_errors
from machtiging.oauth.retention import expired_rows_sweep
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import make_app_metadata, make_authorization_details, make_client_assertion, make_client_keys
from tests.builders.flow import assert_request_object_refused, make_request_object, push_request_object
from tests.builders.keys import KeyHolder
from tests.builders.messages import read_claims, read_query
from tests.builders.people import ISSUER


async def test_request_object_signed_leads_to_token(oauth) -> None:
    flow = await oauth.start_flow()
    pushed = await push_request_object(flow, make_request_object(flow))
    assert pushed.status_code == 201, pushed.text
    response = await flow.approve(pushed.json()["request_uri"])
    answer = read_query(response.headers["location"])
    assert answer["state"] == flow.state
    tokens = (await flow.redeem(answer["code"])).json()
    assert tokens["authorization_details"][0]["type"] == "berichtenbox"
    assert read_claims(tokens["id_token"])["nonce"] == flow.nonce


@pytest.mark.parametrize("alg", ["ES256", "PS256"])
async def test_request_object_with_es256_or_ps256_and_either_typ_is_accepted(oauth, alg) -> None:
    keys = make_client_keys(alg)
    flow = await oauth.request(await oauth.add(make_app_metadata(keys), keys))
    for typ in ("oauth-authz-req+jwt", "application/oauth-authz-req+jwt", "JWT", None):
        assert (await push_request_object(flow, make_request_object(flow, header={"typ": typ}))).status_code == 201, typ


async def test_request_object_with_json_values_is_accepted(unpushed_flow) -> None:
    for details in (make_authorization_details(), json.loads(make_authorization_details())):
        response = await push_request_object(
            unpushed_flow,
            make_request_object(unpushed_flow, authorization_details=details, resource=[ISSUER + "/api/v1"]),
        )
        assert response.status_code == 201, response.text


# Parameters beside and inside


BESIDE = [
    {"scope": "openid"},
    {"redirect_uri": "https://app.voorbeeld.example/terug"},
    {"redirect_uri": "https://dief.example/terug"},
    {"state": "x"},
    {"prompt": "consent"},
    {"code_challenge": "x" * 43},
    {"resource": ISSUER + "/api/v1"},
    {"onbekend": "x"},
    {"request_uri": "urn:ietf:params:oauth:request_uri:x"},
]


async def test_parameter_beside_request_object_is_rejected(unpushed_flow) -> None:
    for beside in BESIDE:
        assert_request_object_refused(
            await push_request_object(unpushed_flow, make_request_object(unpushed_flow), **beside), beside
        )


async def test_parameter_missing_in_request_object_is_not_taken_from_elsewhere(unpushed_flow) -> None:
    response = await push_request_object(unpushed_flow, make_request_object(unpushed_flow, code_challenge=None))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


NO_PLACE_INSIDE = [
    {"request": "a.b.c"},
    {"request_uri": "urn:ietf:params:oauth:request_uri:x"},
    {"request_uri": "https://app.voorbeeld.example/verzoek.jwt"},
    {"client_assertion": "a.b.c"},
    {"client_secret": "geheim"},
    {"sub": "app"},
]


async def test_request_object_with_nested_request_or_credentials_is_rejected(unpushed_flow) -> None:
    for inside in NO_PLACE_INSIDE:
        assert_request_object_refused(
            await push_request_object(unpushed_flow, make_request_object(unpushed_flow, **inside)), inside
        )


OTHER_SHAPES = [
    {"scope": ["openid"]},
    {"scope": {"openid": True}},
    {"state": True},
    {"state": 1.5},
    {"state": "a\nb"},
    {"state": "\0"},
    {"state": "\ud800"},
    {"resource": [ISSUER + "/api/v1", "https://x.example"]},
    {"resource": []},
    {"redirect_uri": ["https://app.voorbeeld.example/terug"]},
    {"x" * 65: "x"},
]


async def test_request_object_with_malformed_member_is_rejected(unpushed_flow) -> None:
    for inside in OTHER_SHAPES:
        assert_request_object_refused(
            await push_request_object(unpushed_flow, make_request_object(unpushed_flow, **inside)), inside
        )


async def test_request_object_parameters_are_validated_like_plain_ones(unpushed_flow) -> None:
    for inside, error in (
        ({"redirect_uri": "https://dief.example/terug"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"authorization_details": [{"type": "betaling"}]}, "invalid_authorization_details"),
        ({"scope": "openid aanleveringen:schrijven"}, "invalid_scope"),
        ({"resource": "https://onbekend.example"}, "invalid_target"),
    ):
        response = await push_request_object(unpushed_flow, make_request_object(unpushed_flow, **inside))
        assert (response.status_code, response.json()["error"]) == (400, error), inside


# request_uri and browser


@pytest.mark.parametrize("uri", ["https://app.voorbeeld.example/verzoek.jwt", "urn:ietf:params:oauth:request_uri:x"])
async def test_ssrf_request_uri_of_the_client_is_not_fetched(unpushed_flow, uri) -> None:
    response = await unpushed_flow.push(request_uri=uri)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    page = await unpushed_flow.browser.get(
        "/authorize", params={"client_id": unpushed_flow.app.client_id, "request_uri": uri}
    )
    assert page.status_code == 400


async def test_request_object_in_the_browser_is_rejected(unpushed_flow) -> None:
    query = {"client_id": unpushed_flow.app.client_id, "request": make_request_object(unpushed_flow)}
    assert (await unpushed_flow.browser.get("/authorize", params=query)).status_code == 400


# iss, aud, jti, exp


NOT_BY_WHOM_FOR_WHOM_AND_WHICH = [
    {"iss": None},
    {"iss": "een-ander"},
    {"iss": ["app"]},
    {"client_id": None},
    {"client_id": "een-ander"},
    {"aud": None},
    {"aud": "https://ander.example"},
    {"aud": ISSUER + "/par"},
    {"aud": ISSUER + "/"},
    {"aud": [ISSUER, "https://ander.example"]},
    {"aud": [ISSUER, ISSUER]},
    {"aud": ["https://ander.example"]},
    {"aud": [[ISSUER]]},
    {"aud": []},
    {"jti": None},
    {"jti": ""},
    {"jti": 7},
    {"jti": "x" * 257},
]


async def test_request_object_without_issuer_audience_or_jti_is_rejected(unpushed_flow) -> None:
    for changes in NOT_BY_WHOM_FOR_WHOM_AND_WHICH:
        assert_request_object_refused(
            await push_request_object(unpushed_flow, make_request_object(unpushed_flow, **changes)), changes
        )


async def test_request_object_audience_list_with_issuer_only_is_accepted(unpushed_flow) -> None:
    """FAPI 2.0 Message Signing 5.3.1: the issuer, or a list with the issuer only."""
    assert (
        await push_request_object(unpushed_flow, make_request_object(unpushed_flow, aud=[ISSUER]))
    ).status_code == 201


async def test_request_object_expired_too_old_or_too_long_lived_is_rejected(unpushed_flow) -> None:
    now = int(unpushed_flow.app.clock.now().timestamp())
    for changes in (
        {"exp": None},
        {"exp": now},
        {"exp": now - 60},
        {"exp": now + 3601},
        {"exp": now + 10 * 365 * 86400},
        {"exp": now + 3600, "iat": now - 1},
        {"exp": now + 60, "iat": now - 611},
        {"exp": "straks"},
        {"exp": True},
        {"exp": 1e300},
        {"iat": None, "nbf": None},
        {"iat": now + 60},
        {"nbf": now + 60},
        {"iat": now - 700},
        {"nbf": now - 700},
        {"iat": "nu"},
        {"iat": True},
    ):
        assert_request_object_refused(
            await push_request_object(unpushed_flow, make_request_object(unpushed_flow, **changes)), changes
        )
    for changes in (
        {"iat": now + 8},
        {"exp": now + 600},
        {"exp": now + 3600},
        {"iat": None},
        {"nbf": None},
        {"exp": now + 30.5},
    ):
        assert (
            await push_request_object(unpushed_flow, make_request_object(unpushed_flow, **changes))
        ).status_code == 201, changes


@pytest.mark.parametrize(("ahead", "seconds"), [(0, 1), (0, 609), (0, 611), (9, 615), (9, 621), (9, 3000)])
async def test_request_object_with_far_exp_replayed_later_is_rejected(oauth, unpushed_flow, ahead, seconds) -> None:
    """The lifetime is ten minutes from `iat` and `nbf`. The `jti` is stored for as long."""
    at = int(unpushed_flow.app.clock.now().timestamp()) + ahead
    made = make_request_object(unpushed_flow, iat=at, nbf=at, exp=at + 3600)
    assert (await push_request_object(unpushed_flow, made)).status_code == 201
    oauth.later(seconds=seconds)
    async with unit_of_work(oauth.sessions) as session:
        await expired_rows_sweep(session, at=oauth.clock.now())
    assert_request_object_refused(await push_request_object(unpushed_flow, made))


async def test_request_object_replayed_is_rejected(unpushed_flow) -> None:
    made = make_request_object(unpushed_flow)
    assert (await push_request_object(unpushed_flow, made)).status_code == 201
    assert_request_object_refused(await push_request_object(unpushed_flow, made))
    same = make_request_object(unpushed_flow, jti=read_claims(made)["jti"], state="anders")
    assert_request_object_refused(await push_request_object(unpushed_flow, same))


async def test_request_object_retried_with_dpop_nonce_is_accepted(unpushed_flow) -> None:
    """As openid-client does (RFC 9449 section 8): a nonce challenge consumes nothing."""
    made, holder = make_request_object(unpushed_flow), KeyHolder(unpushed_flow.app.clock)
    form = {**unpushed_flow.app.credentials(), "request": made}
    without = {"DPoP": holder.proof("POST", ISSUER + "/par", nonce=None)}
    asked = await unpushed_flow.app.http.post("/par", data=form, headers=without)
    assert asked.json()["error"] == "use_dpop_nonce"
    proof = holder.proof("POST", ISSUER + "/par", nonce=asked.headers["dpop-nonce"])
    form |= unpushed_flow.app.credentials()
    again = await unpushed_flow.app.http.post("/par", data=form, headers={"DPoP": proof})
    assert again.status_code == 201, again.text


async def test_request_object_used_concurrently_is_accepted_once(unpushed_flow) -> None:
    made = make_request_object(unpushed_flow)
    answers = await asyncio.gather(*(push_request_object(unpushed_flow, made) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400]


async def test_request_object_and_client_assertion_may_share_a_jti(unpushed_flow) -> None:
    jti = secrets.token_urlsafe(16)
    proof = make_client_assertion(unpushed_flow.app.keys, unpushed_flow.app.client_id, unpushed_flow.app.clock, jti=jti)
    assert (
        await push_request_object(unpushed_flow, make_request_object(unpushed_flow, jti=jti), client_assertion=proof)
    ).status_code == 201


# Clients registered to sign, and public clients


async def test_downgrade_unsigned_request_by_signing_client_is_rejected(oauth) -> None:
    flow = await oauth.request(await oauth.register_reading_app(require_signed_request_object=True))
    response = await flow.push()
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert (await push_request_object(flow, make_request_object(flow))).status_code == 201


async def test_request_object_of_public_client_is_rejected(oauth) -> None:
    flow = await oauth.request(await oauth.register_public_app())
    flow.app.keys = make_client_keys()
    made = make_request_object(flow)
    flow.app.keys = None
    assert_request_object_refused(await push_request_object(flow, made))


def test_registration_with_invalid_signing_metadata_is_rejected() -> None:
    keys = make_client_keys()
    for changes in (
        {"request_object_signing_alg": "none"},
        {"request_object_signing_alg": "RS256"},
        {"require_signed_request_object": "true"},
    ):
        assert set(
            find_metadata_errors(make_app_metadata(keys, **changes), practice=False, detail_type="berichtenbox")
        ) == set(changes)
    public = make_app_metadata(None, require_signed_request_object=True)
    assert "request_object_signing_alg" in find_metadata_errors(public, practice=False, detail_type="berichtenbox")


async def test_request_object_rejected_is_journalled_with_its_reason(oauth, unpushed_flow) -> None:
    await push_request_object(unpushed_flow, make_request_object(unpushed_flow, aud="https://ander.example"))
    await push_request_object(unpushed_flow, make_request_object(unpushed_flow), scope="openid")
    reasons = [line.reason for line in await oauth.lines("grant:geweigerd")]
    assert reasons == ["object_voor_ander", "parameters_naast_object"]


async def test_discovery_metadata_names_request_objects(oauth) -> None:
    told = (await oauth.connection().get("/.well-known/oauth-authorization-server")).json()
    assert told["request_parameter_supported"] is True
    assert told["request_uri_parameter_supported"] is False
    assert told["request_object_signing_alg_values_supported"] == ["ES256", "PS256"]
