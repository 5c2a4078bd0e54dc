"""Signed request objects (JAR): only signed parameters count, once (RFC 9101, FAPI 2.0 Message Signing 5.3.1)."""

import asyncio
import base64
import hmac
import json
import time
from urllib.parse import urlencode

import pytest
from joserfc.jwk import ECKey

from tests.builders.messages import ASSERTION_TYPE, make_unsigned_jwt, read_claims, read_header, read_query
from tests.protocol.black_box.authorization_server import Attempt, assert_nothing_issued, assert_refused
from tests.protocol.black_box.client_requests import push_signed, request_object

BAD = ("invalid_request_object", "invalid_request")


async def test_request_object_signed_leads_to_token(attempt, app):
    pushed = await push_signed(attempt, request_object(attempt))
    assert pushed.status_code == 201, pushed.text
    told = read_query((await attempt.visit(pushed.json()["request_uri"])).headers["location"])
    assert told["state"] == attempt.state
    tokens = (await attempt.redeem(told["code"])).json()
    assert read_claims(tokens["id_token"])["nonce"] == attempt.nonce


@pytest.mark.parametrize("typ", ["oauth-authz-req+jwt", "application/oauth-authz-req+jwt"])
async def test_request_object_typ_short_or_full_is_accepted(attempt, typ):
    assert (await push_signed(attempt, request_object(attempt, header={"typ": typ}))).status_code == 201


async def test_request_object_authorization_details_are_granted(server, attempt):
    asked = json.loads(server.details("less"))
    pushed = await push_signed(attempt, request_object(attempt, authorization_details=asked))
    assert pushed.status_code == 201, pushed.text
    told = read_query((await attempt.visit(pushed.json()["request_uri"])).headers["location"])
    assert (await attempt.redeem(told["code"])).json()["authorization_details"] == asked


# Signature


async def test_request_object_with_alg_none_is_rejected(attempt):
    assert_refused(await push_signed(attempt, request_object(attempt, header={"alg": "none"})), *BAD)


@pytest.mark.parametrize("alg", ["None", "NONE", "HS256", "RS256"])
@pytest.mark.parametrize("signature", ["", "AAAA"])
async def test_request_object_with_fake_signature_is_rejected(attempt, app, alg, signature):
    header = {"alg": alg, "kid": app.key.kid, "typ": "oauth-authz-req+jwt"}
    assert_refused(
        await push_signed(attempt, make_unsigned_jwt(header, read_claims(request_object(attempt)), signature)), *BAD
    )


async def test_request_object_signed_with_unknown_key_is_rejected(attempt, app):
    thief = ECKey.generate_key("P-256")
    assert_refused(await push_signed(attempt, request_object(attempt, key=thief)), *BAD)
    assert_refused(await push_signed(attempt, request_object(attempt, key=thief, header={"kid": None})), *BAD)


async def test_request_object_signed_with_key_of_another_client_is_rejected(attempt, app, other_client):
    for kid in (other_client.key.kid, app.key.kid, None):
        assert_refused(
            await push_signed(attempt, request_object(attempt, key=other_client.key, header={"kid": kid})), *BAD
        )


async def test_algorithm_confusion_request_object_with_public_key_as_hmac_secret_is_rejected(attempt, app):
    header = {"alg": "HS256", "kid": app.key.kid, "typ": "oauth-authz-req+jwt"}
    text = make_unsigned_jwt(header, read_claims(request_object(attempt))).rstrip(".")
    public = app.key.as_dict(private=False)
    for secret in (public["x"].encode(), json.dumps(public).encode(), app.key.as_pem(private=False), b""):
        made = base64.urlsafe_b64encode(hmac.digest(secret, text.encode(), "sha256")).rstrip(b"=").decode()
        assert_refused(await push_signed(attempt, f"{text}.{made}"), *BAD)


async def test_request_object_with_key_in_header_is_rejected(attempt):
    thief = ECKey.generate_key("P-256")
    jwk = thief.as_dict(private=False)
    assert_refused(
        await push_signed(attempt, request_object(attempt, key=thief, header={"jwk": jwk, "kid": None})), *BAD
    )


@pytest.mark.parametrize("name", ["jku", "x5u"])
async def test_ssrf_request_object_with_key_url_in_header_is_rejected(attempt, name):
    thief = ECKey.generate_key("P-256")
    there = {name: "http://127.0.0.1:9/keys"}
    assert_refused(await push_signed(attempt, request_object(attempt, key=thief, header={**there, "kid": None})), *BAD)


async def test_request_object_with_unknown_crit_is_rejected(attempt):
    made = request_object(attempt)
    header = read_header(made) | {"crit": ["https://evil.example/rule"], "https://evil.example/rule": True}
    assert_refused(await push_signed(attempt, make_unsigned_jwt(header, read_claims(made), made.split(".")[2])), *BAD)


async def test_request_object_tampered_is_rejected(attempt):
    made = request_object(attempt)
    changed = make_unsigned_jwt(read_header(made), read_claims(made) | {"scope": "openid beheer"}, made.split(".")[2])
    assert_refused(await push_signed(attempt, changed), *BAD)


@pytest.mark.parametrize("garbage", ["a", "a.b.c", "e30.e30.", "e30.e30.AAAA", "....", "a" * 5000, "é"])
async def test_request_object_that_is_no_jwt_is_rejected(attempt, garbage):
    assert_refused(await push_signed(attempt, garbage), *BAD)


# iss, aud, jti


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": None},
        {"iss": "een-ander"},
        {"iss": ["app"]},
        {"client_id": None},
        {"client_id": "een-ander"},
        {"aud": None},
        {"aud": "https://evil.example"},
        {"aud": ["https://evil.example", "https://evil.example/token"]},
    ],
    ids=str,
)
async def test_request_object_with_wrong_issuer_client_or_audience_is_rejected(attempt, changes):
    assert_refused(await push_signed(attempt, request_object(attempt, **changes)), *BAD)


@pytest.mark.parametrize("endpoint", ["pushed_authorization_request_endpoint", "token_endpoint"])
async def test_request_object_with_endpoint_as_audience_is_rejected(server, attempt, endpoint):
    assert_refused(await push_signed(attempt, request_object(attempt, aud=server.metadata[endpoint])), *BAD)


async def test_request_object_with_audience_list_is_rejected(server, attempt):
    assert_refused(
        await push_signed(attempt, request_object(attempt, aud=[server.issuer, "https://evil.example"])), *BAD
    )


async def test_request_object_signed_by_another_client_is_rejected(server, attempt, other_client):
    made = request_object(attempt)
    assert_refused(await push_signed(attempt.again(client=other_client), made), *BAD)
    assert (await push_signed(attempt, made)).status_code == 201  # the object is not consumed by that


async def test_request_object_without_client_authentication_is_rejected(server, attempt, app):
    form = {"request": request_object(attempt), "client_id": app.client_id}
    answer = await server.post("pushed_authorization_request_endpoint", None, form)
    assert_refused(answer, "invalid_client", "invalid_request")


async def test_request_object_replayed_is_rejected(attempt):
    made = request_object(attempt)
    assert (await push_signed(attempt, made)).status_code == 201
    assert_refused(await push_signed(attempt, made), *BAD)


async def test_request_object_with_used_jti_is_rejected(attempt):
    assert (await push_signed(attempt, request_object(attempt, jti="een-naam"))).status_code == 201
    assert_refused(await push_signed(attempt, request_object(attempt.again(), jti="een-naam")), *BAD)


async def test_request_object_used_concurrently_is_accepted_once(attempt):
    made = request_object(attempt)
    answers = await asyncio.gather(*(push_signed(attempt, made) for _ in range(5)))
    assert [answer.status_code for answer in answers].count(201) == 1


async def test_request_object_without_jti_is_rejected(attempt):
    assert_refused(await push_signed(attempt, request_object(attempt, jti=None)), *BAD)


# exp, iat, nbf


OLD = {"exp": -3600, "iat": -3660, "nbf": -3660}


async def test_request_object_expired_is_rejected(attempt):
    times = {name: int(time.time()) + seconds for name, seconds in OLD.items()}
    assert_refused(await push_signed(attempt, request_object(attempt, **times)), *BAD)


@pytest.mark.parametrize("name", ["nbf", "iat"])
async def test_request_object_from_the_future_is_rejected(attempt, name):
    now = int(time.time())
    assert_refused(await push_signed(attempt, request_object(attempt, **{name: now + 90, "exp": now + 200})), *BAD)


async def test_request_object_without_exp_is_rejected(attempt):
    assert_refused(await push_signed(attempt, request_object(attempt, exp=None)), *BAD)


@pytest.mark.parametrize("end", ["straks", True, 1e300, -1])
async def test_request_object_with_invalid_exp_is_rejected(attempt, end):
    assert_refused(await push_signed(attempt, request_object(attempt, exp=end)), *BAD)


async def test_request_object_with_far_exp_is_rejected(attempt):
    assert_refused(await push_signed(attempt, request_object(attempt, exp=int(time.time()) + 10**8)), *BAD)


async def test_request_object_with_old_iat_is_rejected(attempt):
    made = int(time.time()) - 7200
    assert_refused(await push_signed(attempt, request_object(attempt, iat=made, nbf=made)), *BAD)


# typ


@pytest.mark.parametrize(
    "typ", ["at+jwt", "client-authentication+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "token-introspection+jwt"]
)
async def test_request_object_of_other_typ_is_rejected(attempt, typ):
    assert_refused(await push_signed(attempt, request_object(attempt, header={"typ": typ})), *BAD)


async def test_client_assertion_used_as_request_object_is_rejected(server, attempt, app):
    assert_refused(await push_signed(attempt, app.assertion(server.issuer)), *BAD)


async def test_request_object_used_as_client_assertion_is_rejected(server, attempt, app):
    made = request_object(attempt, header={"typ": "JWT"})
    proof = {"client_id": app.client_id, "client_assertion_type": ASSERTION_TYPE, "client_assertion": made}
    answer = await server.post("pushed_authorization_request_endpoint", None, attempt.parameters() | proof)
    assert_refused(answer, "invalid_client")


# Parameters inside and beside


@pytest.mark.parametrize("beside", ["state", "scope", "redirect_uri", "nonce", "code_challenge", "resource", "prompt"])
async def test_parameter_beside_request_object_is_rejected_or_ignored(attempt, other_client, beside):
    value = other_client.redirect_uri if beside == "redirect_uri" else "beheer:alles"
    pushed = await push_signed(attempt, request_object(attempt), **{beside: value})
    if pushed.status_code != 201:
        assert_refused(pushed)
        return
    shown = await attempt.visit(pushed.json()["request_uri"])
    told = read_query(shown.headers["location"])
    assert shown.headers["location"].startswith(attempt.client.redirect_uri)
    assert told["state"] == attempt.state
    tokens = (await attempt.redeem(told["code"])).json()
    assert read_claims(tokens["id_token"])["nonce"] == attempt.nonce
    assert "beheer:alles" not in tokens["scope"].split()


@pytest.mark.parametrize("left_out", ["redirect_uri", "code_challenge", "response_type", "code_challenge_method"])
async def test_parameter_missing_in_request_object_is_not_taken_from_outside(attempt, left_out):
    value = attempt.parameters()[left_out]
    assert_refused(await push_signed(attempt, request_object(attempt, **{left_out: None}), **{left_out: value}))


@pytest.mark.parametrize("left_out", ["redirect_uri", "code_challenge", "response_type", "code_challenge_method"])
async def test_request_object_without_required_parameter_is_rejected(attempt, left_out):
    assert_refused(await push_signed(attempt, request_object(attempt, **{left_out: None})))


@pytest.mark.parametrize(
    "inside",
    [
        {"request": "a.b.c"},
        {"request_uri": "urn:ietf:params:oauth:request_uri:x"},
        {"request_uri": "http://127.0.0.1:9/verzoek.jwt"},
    ],
    ids=str,
)
async def test_request_object_with_nested_request_is_rejected(attempt, inside):
    assert_refused(await push_signed(attempt, request_object(attempt, **inside)), *BAD)


async def test_request_object_within_request_object_is_rejected(attempt):
    within = request_object(attempt, scope="openid")
    assert_refused(await push_signed(attempt, request_object(attempt, request=within)), *BAD)


async def test_request_object_with_sub_of_the_client_is_rejected(attempt, app):
    """RFC 9101 10.8: with `sub` it could be used as a client assertion."""
    assert_refused(await push_signed(attempt, request_object(attempt, sub=app.client_id)), *BAD)


@pytest.mark.parametrize(
    "inside",
    [
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": ""},
        {"response_type": "token"},
        {"response_type": "id_token token"},
        {"code_challenge_method": "plain"},
        {"scope": ["openid"]},
        {"state": {"a": 1}},
        {"nonce": True},
    ],
    ids=str,
)
async def test_request_object_parameters_are_validated_like_plain_ones(attempt, inside):
    assert_refused(await push_signed(attempt, request_object(attempt, **inside)))


async def test_request_object_with_unregistered_scope_is_not_granted(attempt, app):
    pushed = await push_signed(attempt, request_object(attempt, scope=f"{app.scope} beheer:alles"))
    if pushed.status_code == 201:  # as unsigned: see test_par_with_unregistered_scope_is_not_granted
        shown = await attempt.visit(pushed.json()["request_uri"])
        redeemed = await attempt.redeem(read_query(shown.headers["location"])["code"])
        assert "beheer:alles" not in redeemed.json()["scope"].split()
    else:
        assert_refused(pushed, "invalid_scope")


# Clients registered to sign


@pytest.fixture
def signing_attempt(server, person):
    return Attempt(server, server.client("signing"), person)


async def test_downgrade_unsigned_request_by_signing_client_is_rejected(signing_attempt):
    assert_refused(await signing_attempt.push(), *BAD)


async def test_downgrade_alg_none_by_signing_client_is_rejected(signing_attempt):
    assert_refused(await push_signed(signing_attempt, request_object(signing_attempt, header={"alg": "none"})), *BAD)


async def test_signing_client_with_request_object_gets_token(signing_attempt):
    pushed = await push_signed(signing_attempt, request_object(signing_attempt))
    told = read_query((await signing_attempt.visit(pushed.json()["request_uri"])).headers["location"])
    assert (await signing_attempt.redeem(told["code"])).status_code == 200


# In the browser


async def test_request_object_in_the_browser_issues_no_code(server, attempt, app, person):
    query = {"client_id": app.client_id, "request": request_object(attempt)}
    address = f"{server.metadata['authorization_endpoint']}?{urlencode(query)}"
    assert_nothing_issued(await person.go(address, app.redirect_uri), app.redirect_uri)


async def test_request_object_added_in_the_browser_is_ignored(attempt, app):
    evil = request_object(attempt, state="evil", nonce="evil")
    shown = await attempt.visit(await attempt.pushed(), request=evil)
    told = read_query(shown.headers.get("location", ""))
    if "code" in told:
        assert told["state"] == attempt.state
    else:
        assert_nothing_issued(shown, app.redirect_uri)
