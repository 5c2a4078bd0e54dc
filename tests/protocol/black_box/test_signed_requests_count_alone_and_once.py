"""RFC 9101, FAPI 2.0 Message Signing 5.3.1: what the client signed counts and nothing else, for us, now, and once."""

import asyncio
import base64
import hmac
import json
import time
from urllib.parse import urlencode

import pytest
from joserfc.jwk import ECKey

from tests.builders.black_box import (
    ASSERTION_TYPE,
    Attempt,
    claims_of,
    header_of,
    nothing_handed_out,
    query_of,
    refused,
    unsigned,
)
from tests.builders.black_box_steps import push_signed, request_object

BAD = ("invalid_request_object", "invalid_request")


async def test_a_signed_request_goes_all_the_way_to_a_token(attempt, app):
    pushed = await push_signed(attempt, request_object(attempt))
    assert pushed.status_code == 201, pushed.text
    told = query_of((await attempt.visit(pushed.json()["request_uri"])).headers["location"])
    assert told["state"] == attempt.state
    tokens = (await attempt.redeem(told["code"])).json()
    assert claims_of(tokens["id_token"])["nonce"] == attempt.nonce


@pytest.mark.parametrize("typ", ["oauth-authz-req+jwt", "application/oauth-authz-req+jwt"])
async def test_the_type_of_a_request_object_may_be_said_in_full(attempt, typ):
    assert (await push_signed(attempt, request_object(attempt, header={"typ": typ}))).status_code == 201


async def test_the_details_in_a_signed_request_are_those_that_count(server, attempt):
    asked = json.loads(server.details("less"))
    pushed = await push_signed(attempt, request_object(attempt, authorization_details=asked))
    assert pushed.status_code == 201, pushed.text
    told = query_of((await attempt.visit(pushed.json()["request_uri"])).headers["location"])
    assert (await attempt.redeem(told["code"])).json()["authorization_details"] == asked


# Who signed it


async def test_an_object_that_nobody_signed_is_refused(attempt):
    refused(await push_signed(attempt, request_object(attempt, header={"alg": "none"})), *BAD)


@pytest.mark.parametrize("alg", ["None", "NONE", "HS256", "RS256"])
@pytest.mark.parametrize("signature", ["", "AAAA"])
async def test_an_object_with_an_algorithm_and_no_real_signature_is_refused(attempt, app, alg, signature):
    header = {"alg": alg, "kid": app.key.kid, "typ": "oauth-authz-req+jwt"}
    refused(await push_signed(attempt, unsigned(header, claims_of(request_object(attempt)), signature)), *BAD)


async def test_an_object_signed_with_a_key_of_nobody_is_refused(attempt, app):
    thief = ECKey.generate_key("P-256")
    refused(await push_signed(attempt, request_object(attempt, key=thief)), *BAD)
    refused(await push_signed(attempt, request_object(attempt, key=thief, header={"kid": None})), *BAD)


async def test_an_object_signed_with_the_key_of_another_client_is_refused(attempt, app, other):
    for kid in (other.key.kid, app.key.kid, None):
        refused(await push_signed(attempt, request_object(attempt, key=other.key, header={"kid": kid})), *BAD)


async def test_the_public_key_of_a_client_is_no_shared_secret_for_its_requests(attempt, app):
    header = {"alg": "HS256", "kid": app.key.kid, "typ": "oauth-authz-req+jwt"}
    text = unsigned(header, claims_of(request_object(attempt))).rstrip(".")
    public = app.key.as_dict(private=False)
    for secret in (public["x"].encode(), json.dumps(public).encode(), app.key.as_pem(private=False), b""):
        made = base64.urlsafe_b64encode(hmac.digest(secret, text.encode(), "sha256")).rstrip(b"=").decode()
        refused(await push_signed(attempt, f"{text}.{made}"), *BAD)


async def test_a_key_that_comes_along_in_a_request_is_not_used(attempt):
    thief = ECKey.generate_key("P-256")
    jwk = thief.as_dict(private=False)
    refused(await push_signed(attempt, request_object(attempt, key=thief, header={"jwk": jwk, "kid": None})), *BAD)


@pytest.mark.parametrize("name", ["jku", "x5u"])
async def test_no_address_in_a_request_tells_where_its_key_is(attempt, name):
    thief = ECKey.generate_key("P-256")
    there = {name: "http://127.0.0.1:9/keys"}
    refused(await push_signed(attempt, request_object(attempt, key=thief, header={**there, "kid": None})), *BAD)


async def test_a_rule_in_a_request_that_nobody_knows_is_not_passed_over(attempt):
    made = request_object(attempt)
    header = header_of(made) | {"crit": ["https://evil.example/rule"], "https://evil.example/rule": True}
    refused(await push_signed(attempt, unsigned(header, claims_of(made), made.split(".")[2])), *BAD)


async def test_an_object_that_was_changed_after_signing_is_refused(attempt):
    made = request_object(attempt)
    changed = unsigned(header_of(made), claims_of(made) | {"scope": "openid beheer"}, made.split(".")[2])
    refused(await push_signed(attempt, changed), *BAD)


@pytest.mark.parametrize("garbage", ["a", "a.b.c", "e30.e30.", "e30.e30.AAAA", "....", "a" * 5000, "é"])
async def test_what_is_no_object_is_refused(attempt, garbage):
    refused(await push_signed(attempt, garbage), *BAD)


# By whom, for whom, which one


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
async def test_an_object_that_names_somebody_else_is_refused(attempt, changes):
    refused(await push_signed(attempt, request_object(attempt, **changes)), *BAD)


@pytest.mark.parametrize("endpoint", ["pushed_authorization_request_endpoint", "token_endpoint"])
async def test_an_object_that_names_an_endpoint_is_refused(server, attempt, endpoint):
    refused(await push_signed(attempt, request_object(attempt, aud=server.metadata[endpoint])), *BAD)


async def test_an_object_for_the_whole_list_of_the_worlds_servers_is_refused(server, attempt):
    refused(await push_signed(attempt, request_object(attempt, aud=[server.issuer, "https://evil.example"])), *BAD)


async def test_one_client_cannot_push_what_another_signed(server, attempt, other):
    made = request_object(attempt)
    refused(await push_signed(attempt.again(client=other), made), *BAD)
    assert (await push_signed(attempt, made)).status_code == 201  # and it is not used up by that


async def test_nothing_signed_can_be_pushed_without_proof_of_who_asks(server, attempt, app):
    form = {"request": request_object(attempt), "client_id": app.client_id}
    answer = await server.post("pushed_authorization_request_endpoint", None, form)
    refused(answer, "invalid_client", "invalid_request")


async def test_an_object_is_good_once(attempt):
    made = request_object(attempt)
    assert (await push_signed(attempt, made)).status_code == 201
    refused(await push_signed(attempt, made), *BAD)


async def test_two_objects_with_one_name_are_one_too_many(attempt):
    assert (await push_signed(attempt, request_object(attempt, jti="een-naam"))).status_code == 201
    refused(await push_signed(attempt, request_object(attempt.again(), jti="een-naam")), *BAD)


async def test_of_many_uses_of_one_object_at_once_one_wins(attempt):
    made = request_object(attempt)
    answers = await asyncio.gather(*(push_signed(attempt, made) for _ in range(5)))
    assert [answer.status_code for answer in answers].count(201) == 1


async def test_an_object_without_a_name_is_refused(attempt):
    refused(await push_signed(attempt, request_object(attempt, jti=None)), *BAD)


# When


OLD = {"exp": -3600, "iat": -3660, "nbf": -3660}


async def test_an_object_that_has_expired_is_refused(attempt):
    times = {name: int(time.time()) + seconds for name, seconds in OLD.items()}
    refused(await push_signed(attempt, request_object(attempt, **times)), *BAD)


@pytest.mark.parametrize("name", ["nbf", "iat"])
async def test_an_object_from_the_future_is_refused(attempt, name):
    now = int(time.time())
    refused(await push_signed(attempt, request_object(attempt, **{name: now + 90, "exp": now + 200})), *BAD)


async def test_an_object_without_an_end_is_refused(attempt):
    refused(await push_signed(attempt, request_object(attempt, exp=None)), *BAD)


@pytest.mark.parametrize("end", ["straks", True, 1e300, -1])
async def test_an_end_of_an_object_that_is_no_time_is_refused(attempt, end):
    refused(await push_signed(attempt, request_object(attempt, exp=end)), *BAD)


async def test_an_object_that_lives_for_years_is_refused(attempt):
    refused(await push_signed(attempt, request_object(attempt, exp=int(time.time()) + 10**8)), *BAD)


async def test_an_object_that_was_made_long_ago_is_refused(attempt):
    made = int(time.time()) - 7200
    refused(await push_signed(attempt, request_object(attempt, iat=made, nbf=made)), *BAD)


# What kind


@pytest.mark.parametrize(
    "typ", ["at+jwt", "client-authentication+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "token-introspection+jwt"]
)
async def test_a_jwt_of_another_kind_is_no_request(attempt, typ):
    refused(await push_signed(attempt, request_object(attempt, header={"typ": typ})), *BAD)


async def test_a_client_assertion_is_no_request(server, attempt, app):
    refused(await push_signed(attempt, app.assertion(server.issuer)), *BAD)


async def test_a_request_is_no_client_assertion(server, attempt, app):
    made = request_object(attempt, header={"typ": "JWT"})
    proof = {"client_id": app.client_id, "client_assertion_type": ASSERTION_TYPE, "client_assertion": made}
    answer = await server.post("pushed_authorization_request_endpoint", None, attempt.parameters() | proof)
    refused(answer, "invalid_client")


# Inside and beside


@pytest.mark.parametrize("beside", ["state", "scope", "redirect_uri", "nonce", "code_challenge", "resource", "prompt"])
async def test_what_stands_beside_the_object_is_refused_or_passed_over(attempt, other, beside):
    value = other.redirect_uri if beside == "redirect_uri" else "beheer:alles"
    pushed = await push_signed(attempt, request_object(attempt), **{beside: value})
    if pushed.status_code != 201:
        refused(pushed)
        return
    shown = await attempt.visit(pushed.json()["request_uri"])
    told = query_of(shown.headers["location"])
    assert shown.headers["location"].startswith(attempt.client.redirect_uri)
    assert told["state"] == attempt.state
    tokens = (await attempt.redeem(told["code"])).json()
    assert claims_of(tokens["id_token"])["nonce"] == attempt.nonce
    assert "beheer:alles" not in tokens["scope"].split()


@pytest.mark.parametrize("left_out", ["redirect_uri", "code_challenge", "response_type", "code_challenge_method"])
async def test_what_is_missing_inside_is_not_taken_from_beside(attempt, left_out):
    value = attempt.parameters()[left_out]
    refused(await push_signed(attempt, request_object(attempt, **{left_out: None}), **{left_out: value}))


@pytest.mark.parametrize("left_out", ["redirect_uri", "code_challenge", "response_type", "code_challenge_method"])
async def test_what_is_missing_inside_is_missing(attempt, left_out):
    refused(await push_signed(attempt, request_object(attempt, **{left_out: None})))


@pytest.mark.parametrize(
    "inside",
    [
        {"request": "a.b.c"},
        {"request_uri": "urn:ietf:params:oauth:request_uri:x"},
        {"request_uri": "http://127.0.0.1:9/verzoek.jwt"},
    ],
    ids=str,
)
async def test_an_object_holds_no_other_object(attempt, inside):
    refused(await push_signed(attempt, request_object(attempt, **inside)), *BAD)


async def test_an_object_within_an_object_is_not_opened(attempt):
    within = request_object(attempt, scope="openid")
    refused(await push_signed(attempt, request_object(attempt, request=within)), *BAD)


async def test_an_object_that_could_pass_for_an_assertion_is_refused(attempt, app):
    """RFC 9101 10.8: with `sub` it might be taken for one."""
    refused(await push_signed(attempt, request_object(attempt, sub=app.client_id)), *BAD)


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
async def test_what_is_signed_is_checked_as_if_it_were_not(attempt, inside):
    refused(await push_signed(attempt, request_object(attempt, **inside)))


async def test_a_signed_scope_beyond_the_registration_is_not_granted(attempt, app):
    pushed = await push_signed(attempt, request_object(attempt, scope=f"{app.scope} beheer:alles"))
    if pushed.status_code == 201:  # as unsigned: see test_a_scope_beyond_the_registration_is_refused
        shown = await attempt.visit(pushed.json()["request_uri"])
        redeemed = await attempt.redeem(query_of(shown.headers["location"])["code"])
        assert "beheer:alles" not in redeemed.json()["scope"].split()
    else:
        refused(pushed, "invalid_scope")


# Who must sign


@pytest.fixture
def signing(server, person):
    return Attempt(server, server.client("signing"), person)


async def test_who_registered_to_sign_cannot_push_unsigned(signing):
    refused(await signing.push(), *BAD)


async def test_who_registered_to_sign_cannot_sign_with_nothing(signing):
    refused(await push_signed(signing, request_object(signing, header={"alg": "none"})), *BAD)


async def test_who_registered_to_sign_signs_and_gets_a_token(signing):
    pushed = await push_signed(signing, request_object(signing))
    told = query_of((await signing.visit(pushed.json()["request_uri"])).headers["location"])
    assert (await signing.redeem(told["code"])).status_code == 200


# Where


async def test_a_signed_request_in_the_browser_leads_to_no_code(server, attempt, app, person):
    query = {"client_id": app.client_id, "request": request_object(attempt)}
    address = f"{server.metadata['authorization_endpoint']}?{urlencode(query)}"
    nothing_handed_out(await person.go(address, app.redirect_uri), app.redirect_uri)


async def test_a_signed_request_that_the_browser_adds_changes_nothing(attempt, app):
    evil = request_object(attempt, state="evil", nonce="evil")
    shown = await attempt.visit(await attempt.pushed(), request=evil)
    told = query_of(shown.headers.get("location", ""))
    if "code" in told:
        assert told["state"] == attempt.state
    else:
        nothing_handed_out(shown, app.redirect_uri)
