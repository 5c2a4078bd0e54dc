"""ID tokens and userinfo for one client (OpenID Connect Core 2, 3.1.3 and 5.3, RFC 6750)."""

import time

import pytest
from joserfc.errors import BadSignatureError

from tests.builders.messages import read_claims, read_header
from tests.protocol.black_box.authorization_server import Attempt, assert_refused


def test_id_token_is_signed_with_published_key_and_has_required_claims(server, app, spare_token):
    claims = server.verified(spare_token["id_token"])
    assert claims["iss"] == server.issuer
    assert claims["aud"] in (app.client_id, [app.client_id])
    assert claims.keys() >= {"sub", "exp", "iat", "nonce"}
    assert claims["iat"] <= time.time() + 5
    assert claims["exp"] > time.time() - 60


def test_verifier_of_these_tests_rejects_forged_signature(server, spare_token):
    head, _, signature = spare_token["id_token"].split(".")
    payload = spare_token["id_token"].split(".")[1]
    swapped = ("A" if payload[0] != "A" else "B") + payload[1:]
    with pytest.raises(BadSignatureError):
        server.verified(f"{head}.{swapped}.{signature}")


def test_id_token_alg_is_neither_none_nor_hmac(spare_token):
    assert read_header(spare_token["id_token"])["alg"] not in {"none", "HS256", "HS384", "HS512"}


async def test_id_token_nonce_is_that_of_the_request(attempt):
    answers = []
    for _ in range(2):
        attempt = attempt.again()
        answers.append((await attempt.tokens())["id_token"])
        assert read_claims(answers[-1])["nonce"] == attempt.nonce
    assert read_claims(answers[0])["nonce"] != read_claims(answers[1])["nonce"]


async def test_subject_is_stable_for_one_client(attempt):
    subjects = {read_claims((await attempt.again().tokens())["id_token"])["sub"] for _ in range(2)}
    assert len(subjects) == 1


async def test_subject_is_pairwise_per_client(server, attempt, other_client, spare_token):
    theirs = await attempt.again(client=other_client).tokens()
    assert read_claims(theirs["id_token"])["sub"] != read_claims(spare_token["id_token"])["sub"]


async def test_userinfo_sub_equals_id_token_sub(server, attempt):
    answer = await attempt.tokens()
    told = await server.userinfo(answer["access_token"])
    assert told.status_code == 200
    assert told.json()["sub"] == read_claims(answer["id_token"])["sub"]


async def test_userinfo_by_post_returns_200(server, spare_token):
    headers = {"Authorization": f"Bearer {spare_token['access_token']}"}
    answer = await server.http.post(server.metadata["userinfo_endpoint"], headers=headers)
    assert answer.status_code == 200
    assert answer.json()["sub"]


async def test_userinfo_without_token_returns_401_with_challenge(server):
    answer = await server.userinfo(None)
    assert answer.status_code in (400, 401)
    assert answer.status_code == 400 or answer.headers["www-authenticate"].startswith(("Bearer", "DPoP"))


@pytest.mark.parametrize("garbage", ["a", "a.b.c", "a" * 20_000, "e30.e30."])
async def test_userinfo_with_invented_token_is_rejected(server, garbage):
    answer = await server.http.get(server.metadata["userinfo_endpoint"], headers={"Authorization": f"Bearer {garbage}"})
    assert 400 <= answer.status_code < 500
    assert "sub" not in answer.text


async def test_userinfo_with_token_in_query_is_rejected(server, spare_token):
    address = server.metadata["userinfo_endpoint"]
    answer = await server.http.get(address, params={"access_token": spare_token["access_token"]})
    assert answer.status_code in (400, 401)


async def test_userinfo_with_two_tokens_is_rejected(server, spare_token):
    token = spare_token["access_token"]
    answer = await server.http.get(
        server.metadata["userinfo_endpoint"],
        params={"access_token": token},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code in (400, 401)


async def test_id_token_used_as_access_token_is_rejected(server, spare_token):
    assert (await server.userinfo(spare_token["id_token"])).status_code == 401
    assert not await server.active(spare_token["id_token"])


async def test_userinfo_with_client_credentials_token_is_rejected(server):
    machine = server.client("machine")
    form = {"grant_type": "client_credentials", "scope": machine.scope, **machine.extra}
    token = (await server.post("token_endpoint", machine, form)).json()["access_token"]
    assert (await server.userinfo(token)).status_code in (401, 403)


@pytest.mark.parametrize("length", [512])
async def test_state_of_512_characters_is_returned_unchanged(attempt, length):
    state = "s" * length
    assert (await attempt.answer(state=state))["state"] == state


async def test_state_with_markup_is_returned_unchanged(attempt):
    state = '"><script>alert(1)</script>&a=b#c?d'
    assert (await attempt.answer(state=state))["state"] == state


async def test_authorization_request_without_state_returns_code(attempt):
    answer = await attempt.answer(state=None)
    assert "state" not in answer
    assert answer["code"]


async def test_code_redeemed_with_pkce_without_client_key_is_rejected(server, person, app):
    attempt = Attempt(server, app, person)
    answer = await attempt.redeem(await attempt.code(), client_assertion=None, client_assertion_type=None)
    assert_refused(answer, "invalid_client", "invalid_request")
