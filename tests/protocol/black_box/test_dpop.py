"""RFC 9449, RFC 9700 2.2: DPoP-bound tokens (sender constraint)."""

import time

import pytest
from joserfc.jwk import ECKey

from tests.protocol.black_box.authorization_server import assert_refused, make_dpop_proof
from tests.protocol.black_box.client_requests import with_key, with_proof


async def userinfo(server, token, key, scheme="DPoP", **changes):
    address = server.metadata["userinfo_endpoint"]
    answer = None
    for _ in range(2):
        nonce = {} if answer is None else {"nonce": answer.headers.get("dpop-nonce")}
        proof = make_dpop_proof(key, "GET", address, token=token, **{**nonce, **changes})
        answer = await server.http.get(address, headers={"Authorization": f"{scheme} {token}", "DPoP": proof})
        if "use_dpop_nonce" not in answer.headers.get("www-authenticate", "") or "nonce" in changes:
            break
    return answer


async def test_dpop_token_with_its_key_is_accepted(attempt, server, key):
    answer = await with_key(attempt, key)
    assert answer.status_code == 200, answer.text
    assert answer.json()["token_type"] == "DPoP"
    token = answer.json()["access_token"]
    assert (await userinfo(server, token, key)).status_code == 200
    assert (await server.introspect(token))["cnf"]["jkt"] == key.thumbprint()


async def test_dpop_token_stolen_and_used_as_bearer_is_rejected(attempt, server, key):
    token = (await with_key(attempt, key)).json()["access_token"]
    assert (await server.userinfo(token)).status_code in (400, 401)
    assert (await userinfo(server, token, key, scheme="Bearer")).status_code in (400, 401)


async def test_dpop_token_stolen_and_used_with_other_key_is_rejected(attempt, server, key):
    token = (await with_key(attempt, key)).json()["access_token"]
    assert (await userinfo(server, token, ECKey.generate_key("P-256"))).status_code == 401


WRONG = {
    "another method": {"htm": "POST"},
    "another address": {"htu": "https://evil.example/userinfo"},
    "another token": {"ath": "a" * 43},
    "no token": {"ath": None},
    "an hour old": {"iat": int(time.time()) - 3600},
    "from tomorrow": {"iat": int(time.time()) + 86400},
    "no id": {"jti": None},
    "another kind": {"header": {"typ": "JWT"}},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
async def test_dpop_proof_for_other_request_is_rejected(attempt, server, key, changes):
    token = (await with_key(attempt, key)).json()["access_token"]
    assert (await userinfo(server, token, key, **changes)).status_code in (400, 401)


async def test_dpop_proof_replayed_is_rejected(attempt, server, key):
    token = (await with_key(attempt, key)).json()["access_token"]
    first = await userinfo(server, token, key, jti="een")
    assert first.status_code == 200
    assert (await userinfo(server, token, key, jti="een")).status_code == 401


async def test_dpop_proof_for_other_endpoint_issues_no_token(attempt, server, key):
    assert_refused(await with_key(attempt, key, htu=server.metadata["introspection_endpoint"]), "invalid_dpop_proof")


async def test_dpop_proof_with_private_key_in_header_issues_no_token(attempt, server, key):
    answer = await with_key(attempt, key, header={"jwk": key.as_dict(private=True)})
    assert_refused(answer, "invalid_dpop_proof")


async def test_code_bound_by_dpop_jkt_with_other_key_is_rejected(attempt, server, key):
    code = await attempt.code(dpop_jkt=key.thumbprint())
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": attempt.client.redirect_uri,
        "code_verifier": attempt.pkce.verifier,
    }
    thief = ECKey.generate_key("P-256")
    answer = await with_proof(server, thief, "token_endpoint", form, client=attempt.client)
    assert_refused(answer, "invalid_grant", "invalid_dpop_proof")
