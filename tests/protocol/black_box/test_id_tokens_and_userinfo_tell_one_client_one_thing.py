"""OpenID Connect Core 2, 3.1.3 and 5.3, RFC 6750: who logged in, for one client, provably from this server."""

import time

import pytest
from joserfc.errors import BadSignatureError

from tests.builders.black_box import Attempt, claims_of, header_of, refused


def test_an_id_token_is_signed_with_a_published_key_and_says_all_that_it_must(server, app, spare_token):
    claims = server.verified(spare_token["id_token"])
    assert claims["iss"] == server.issuer
    assert claims["aud"] in (app.client_id, [app.client_id])
    assert claims.keys() >= {"sub", "exp", "iat", "nonce"}
    assert claims["iat"] <= time.time() + 5
    assert claims["exp"] > time.time() - 60


def test_the_tests_know_a_forged_signature_when_they_see_one(server, spare_token):
    head, _, signature = spare_token["id_token"].split(".")
    payload = spare_token["id_token"].split(".")[1]
    swapped = ("A" if payload[0] != "A" else "B") + payload[1:]
    with pytest.raises(BadSignatureError):
        server.verified(f"{head}.{swapped}.{signature}")


def test_an_id_token_is_never_signed_by_nobody_or_with_a_secret(spare_token):
    assert header_of(spare_token["id_token"])["alg"] not in {"none", "HS256", "HS384", "HS512"}


async def test_the_nonce_of_an_id_token_is_the_one_of_this_very_request(attempt):
    answers = []
    for _ in range(2):
        attempt = attempt.again()
        answers.append((await attempt.tokens())["id_token"])
        assert claims_of(answers[-1])["nonce"] == attempt.nonce
    assert claims_of(answers[0])["nonce"] != claims_of(answers[1])["nonce"]


async def test_one_person_is_one_subject_at_one_client(attempt):
    subjects = {claims_of((await attempt.again().tokens())["id_token"])["sub"] for _ in range(2)}
    assert len(subjects) == 1


async def test_two_clients_cannot_find_out_that_they_see_the_same_person(server, attempt, other, spare_token):
    theirs = await attempt.again(client=other).tokens()
    assert claims_of(theirs["id_token"])["sub"] != claims_of(spare_token["id_token"])["sub"]


async def test_userinfo_tells_of_the_person_of_the_token(server, attempt):
    answer = await attempt.tokens()
    told = await server.userinfo(answer["access_token"])
    assert told.status_code == 200
    assert told.json()["sub"] == claims_of(answer["id_token"])["sub"]


async def test_userinfo_can_be_asked_by_post(server, spare_token):
    headers = {"Authorization": f"Bearer {spare_token['access_token']}"}
    answer = await server.http.post(server.metadata["userinfo_endpoint"], headers=headers)
    assert answer.status_code == 200
    assert answer.json()["sub"]


async def test_userinfo_without_a_token_says_how_to_come_back(server):
    answer = await server.userinfo(None)
    assert answer.status_code in (400, 401)
    assert answer.status_code == 400 or answer.headers["www-authenticate"].startswith(("Bearer", "DPoP"))


@pytest.mark.parametrize("garbage", ["a", "a.b.c", "a" * 20_000, "e30.e30."])
async def test_userinfo_tells_nothing_for_an_invented_token(server, garbage):
    answer = await server.http.get(server.metadata["userinfo_endpoint"], headers={"Authorization": f"Bearer {garbage}"})
    assert 400 <= answer.status_code < 500
    assert "sub" not in answer.text


async def test_userinfo_takes_no_token_from_an_address(server, spare_token):
    address = server.metadata["userinfo_endpoint"]
    answer = await server.http.get(address, params={"access_token": spare_token["access_token"]})
    assert answer.status_code in (400, 401)


async def test_userinfo_takes_no_two_tokens(server, spare_token):
    token = spare_token["access_token"]
    answer = await server.http.get(
        server.metadata["userinfo_endpoint"],
        params={"access_token": token},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code in (400, 401)


async def test_an_id_token_is_no_access_token(server, spare_token):
    assert (await server.userinfo(spare_token["id_token"])).status_code == 401
    assert not await server.active(spare_token["id_token"])


async def test_the_token_of_a_machine_tells_nothing_about_a_person(server):
    machine = server.client("machine")
    form = {"grant_type": "client_credentials", "scope": machine.scope, **machine.extra}
    token = (await server.post("token_endpoint", machine, form)).json()["access_token"]
    assert (await server.userinfo(token)).status_code in (401, 403)


@pytest.mark.parametrize("length", [512])
async def test_a_long_state_comes_back_whole(attempt, length):
    state = "s" * length
    assert (await attempt.answer(state=state))["state"] == state


async def test_a_state_full_of_markup_comes_back_as_it_was(attempt):
    state = '"><script>alert(1)</script>&a=b#c?d'
    assert (await attempt.answer(state=state))["state"] == state


async def test_a_request_without_state_still_works(attempt):
    answer = await attempt.answer(state=None)
    assert "state" not in answer
    assert answer["code"]


async def test_a_code_challenge_does_not_do_the_work_of_a_client_key(server, person, app):
    attempt = Attempt(server, app, person)
    answer = await attempt.redeem(await attempt.code(), client_assertion=None, client_assertion_type=None)
    refused(answer, "invalid_client", "invalid_request")
