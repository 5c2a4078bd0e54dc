"""Refresh token rotation, reuse detection, client binding, scope and expiry (RFC 6749 6, RFC 9700 2.2.2 and 4.14)."""

import asyncio
import json
import time

import pytest
from joserfc.jwk import ECKey

from tests.builders.messages import read_claims
from tests.protocol.black_box.authorization_server import Attempt, assert_refused
from tests.protocol.black_box.client_requests import use_refresh_token, with_key, with_proof

DAY = 24 * 3600  # NL GOV OAuth 3.4


@pytest.fixture
def refreshing_attempt(server, person):
    return Attempt(server, server.client("refreshing"), person)


@pytest.fixture
async def first_tokens(refreshing_attempt):
    """The token response of a code flow with a refresh token."""
    return await refreshing_attempt.tokens()


async def test_refresh_rotates_the_token_and_consumes_the_old_one(server, first_tokens):
    answer = await use_refresh_token(server, first_tokens["refresh_token"])
    assert answer.status_code == 200, answer.text
    assert answer.json()["refresh_token"] != first_tokens["refresh_token"]
    assert answer.json()["access_token"] != first_tokens["access_token"]
    assert_refused(await use_refresh_token(server, first_tokens["refresh_token"]), "invalid_grant")


async def test_refresh_token_reuse_ends_the_whole_family(server, first_tokens):
    second = (await use_refresh_token(server, first_tokens["refresh_token"])).json()
    assert await server.active(second["access_token"])
    assert_refused(await use_refresh_token(server, first_tokens["refresh_token"]), "invalid_grant")
    assert_refused(await use_refresh_token(server, second["refresh_token"]), "invalid_grant")
    assert not await server.active(second["access_token"])
    assert not await server.active(first_tokens["access_token"])


async def test_refresh_token_reuse_after_three_rotations_is_detected(server, first_tokens):
    last = first_tokens
    for _ in range(3):
        last = (await use_refresh_token(server, last["refresh_token"])).json()
    assert_refused(await use_refresh_token(server, first_tokens["refresh_token"]), "invalid_grant")
    assert_refused(await use_refresh_token(server, last["refresh_token"]), "invalid_grant")
    assert not await server.active(last["access_token"])


async def test_refresh_token_used_concurrently_succeeds_at_most_once(server, first_tokens):
    answers = await asyncio.gather(*(use_refresh_token(server, first_tokens["refresh_token"]) for _ in range(6)))
    assert sum(answer.status_code == 200 for answer in answers) <= 1
    for answer in answers:
        if answer.status_code != 200:
            assert_refused(answer, "invalid_grant")


async def test_refresh_token_reuse_leaves_other_families_active(server, refreshing_attempt, first_tokens):
    another = await refreshing_attempt.again().tokens()
    await use_refresh_token(server, first_tokens["refresh_token"])
    assert_refused(await use_refresh_token(server, first_tokens["refresh_token"]), "invalid_grant")
    assert await server.active(another["access_token"])
    assert (await use_refresh_token(server, another["refresh_token"])).status_code == 200


# Client binding


@pytest.mark.parametrize("by", ["keeping", "other", "machine", "phone"])
async def test_refresh_token_stolen_by_another_client_is_rejected(server, first_tokens, by):
    assert_refused(await use_refresh_token(server, first_tokens["refresh_token"], by=by))
    assert (await use_refresh_token(server, first_tokens["refresh_token"])).status_code == 200  # the token stays valid


async def test_refresh_without_client_authentication_is_rejected(server, first_tokens):
    named = {"client_id": server.client("refreshing").client_id}
    form = {"grant_type": "refresh_token", "refresh_token": first_tokens["refresh_token"], **named}
    assert_refused(await server.post("token_endpoint", None, form), "invalid_client", "invalid_request")


async def test_refresh_with_key_of_another_client_is_rejected(server, first_tokens):
    client, thief = server.client("refreshing"), server.client("keeping")
    forged = client.credentials(server.issuer, key=thief.key)
    assert_refused(await use_refresh_token(server, first_tokens["refresh_token"], **forged), "invalid_client")


async def test_refresh_token_introspection_by_another_client_is_inactive(server, first_tokens):
    assert await server.introspect(first_tokens["refresh_token"], by="keeping") == {"active": False}


async def test_refresh_token_revocation_by_another_client_is_ignored(server, first_tokens):
    await server.revoke(first_tokens["refresh_token"], by="keeping")
    assert (await use_refresh_token(server, first_tokens["refresh_token"])).status_code == 200


async def test_refresh_token_is_not_issued_to_unregistered_client(attempt):
    assert "refresh_token" not in await attempt.tokens()


async def test_refresh_token_is_not_issued_with_client_credentials(server):
    machine = server.client("machine")
    form = {"grant_type": "client_credentials", "scope": machine.scope, **machine.extra}
    assert "refresh_token" not in (await server.post("token_endpoint", machine, form)).json()


# Scope, resource, details


@pytest.mark.parametrize("scope", ["openid beheer:alles", "beheer:alles", "openid aanleveringen:schrijven"])
async def test_refresh_with_wider_scope_is_rejected(server, first_tokens, scope):
    assert_refused(await use_refresh_token(server, first_tokens["refresh_token"], scope=scope), "invalid_scope")


async def test_refresh_rejected_for_scope_does_not_consume_the_token(server, first_tokens):
    assert_refused(
        await use_refresh_token(server, first_tokens["refresh_token"], scope="beheer:alles"), "invalid_scope"
    )
    assert (await use_refresh_token(server, first_tokens["refresh_token"])).status_code == 200


async def test_refresh_with_other_resource_is_rejected(server, first_tokens):
    answer = await use_refresh_token(server, first_tokens["refresh_token"], resource="https://evil.example/api")
    assert_refused(answer, "invalid_target")


WIDER = {
    "more": lambda server: server.details("more"),
    "elsewhere": lambda server: server.details("elsewhere"),
    "another kind": lambda _: json.dumps([{"type": "betaling"}]),
    "twice": lambda server: json.dumps(json.loads(server.details("less")) * 2),
    "nothing": lambda _: "[]",
    "no list": lambda _: "{}",
    "no json": lambda _: "x",
}


@pytest.mark.parametrize("wider", WIDER.values(), ids=WIDER)
async def test_refresh_with_wider_authorization_details_is_rejected(server, refreshing_attempt, wider):
    made = await refreshing_attempt.tokens(authorization_details=server.details("some"))
    answer = await use_refresh_token(server, made["refresh_token"], authorization_details=wider(server))
    assert_refused(answer, "invalid_authorization_details")


@pytest.mark.parametrize("wider", ["more", "elsewhere"])
async def test_code_redeemed_with_wider_authorization_details_is_rejected(server, refreshing_attempt, wider):
    code = await refreshing_attempt.code(authorization_details=server.details("some"))
    assert_refused(
        await refreshing_attempt.redeem(code, authorization_details=server.details(wider)),
        "invalid_authorization_details",
    )


async def test_refresh_with_narrower_details_keeps_the_full_consent(server, refreshing_attempt):
    made = await refreshing_attempt.tokens(authorization_details=server.details("some"))
    some = (await server.introspect(made["access_token"]))["authorization_details"]
    less = (await use_refresh_token(server, made["refresh_token"], authorization_details=server.details("less"))).json()
    assert (await server.introspect(less["access_token"]))["authorization_details"] == less["authorization_details"]
    assert less["authorization_details"] != some
    again = (await use_refresh_token(server, less["refresh_token"])).json()
    assert (await server.introspect(again["access_token"]))["authorization_details"] == some


# Sender constraint


@pytest.fixture
async def bound_tokens(server, person, key):
    """The tokens of a public client bound by DPoP."""
    answer = await with_key(Attempt(server, server.client("phone"), person), key)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refresh_bound_tokens(server, bound_tokens, key):
    form = {"grant_type": "refresh_token", "refresh_token": bound_tokens["refresh_token"]}
    return await with_proof(server, key, "token_endpoint", form, client=server.client("phone"))


async def test_refresh_token_is_not_issued_to_public_client_without_dpop(server, person):
    assert "refresh_token" not in await Attempt(server, server.client("phone"), person).tokens()


async def test_refresh_with_dpop_issues_token_bound_to_the_key(server, bound_tokens, key):
    answer = await refresh_bound_tokens(server, bound_tokens, key)
    assert answer.status_code == 200, answer.text
    assert answer.json()["token_type"] == "DPoP"
    assert (await server.introspect(answer.json()["access_token"]))["cnf"]["jkt"] == key.thumbprint()


async def test_refresh_with_other_dpop_key_is_rejected_and_token_stays_valid(server, bound_tokens, key):
    thief = ECKey.generate_key("P-256")
    assert_refused(await refresh_bound_tokens(server, bound_tokens, thief), "invalid_grant", "invalid_dpop_proof")
    assert (await refresh_bound_tokens(server, bound_tokens, key)).status_code == 200


async def test_refresh_without_dpop_proof_is_rejected_and_token_stays_valid(server, bound_tokens, key):
    assert_refused(await use_refresh_token(server, bound_tokens["refresh_token"], by="phone"))
    assert (await refresh_bound_tokens(server, bound_tokens, key)).status_code == 200


async def test_refresh_token_after_rotation_stays_bound_to_the_key(server, bound_tokens, key):
    second = (await refresh_bound_tokens(server, bound_tokens, key)).json()
    assert_refused(
        await refresh_bound_tokens(server, second, ECKey.generate_key("P-256")), "invalid_grant", "invalid_dpop_proof"
    )


async def test_downgrade_refresh_of_bound_token_without_dpop_is_rejected(server, refreshing_attempt, key):
    """Otherwise a stolen client key could turn bound tokens into plain ones."""
    made = (await with_key(refreshing_attempt, key)).json()
    assert_refused(await use_refresh_token(server, made["refresh_token"]), "invalid_grant", "invalid_dpop_proof")
    form = {"grant_type": "refresh_token", "refresh_token": made["refresh_token"]}
    answer = await with_proof(server, key, "token_endpoint", form, client=refreshing_attempt.client)
    assert answer.status_code == 200, answer.text
    assert answer.json()["token_type"] == "DPoP"


# Expiry and revocation


@pytest.mark.parametrize(
    "why", ["unused for too long", "consented to too long ago", "consent ended", "mandate ended", "mandate paused"]
)
async def test_refresh_token_that_has_ended_is_rejected(server, why):
    assert_refused(await use_refresh_token(server, server.spent("refresh_token", why)), "invalid_grant")


async def test_refresh_token_introspection_returns_its_expiry(server, first_tokens):
    told = await server.introspect(first_tokens["refresh_token"], by="refreshing")
    assert told["active"] is True
    assert time.time() < told["exp"] <= time.time() + DAY


async def test_refresh_token_used_is_inactive(server, first_tokens):
    second = (await use_refresh_token(server, first_tokens["refresh_token"])).json()
    assert await server.introspect(first_tokens["refresh_token"], by="refreshing") == {"active": False}
    assert (await server.introspect(second["refresh_token"], by="refreshing"))["active"] is True


async def test_refresh_token_revoked_revokes_its_access_token(server, first_tokens):
    assert (await server.revoke(first_tokens["refresh_token"], by="refreshing")).status_code == 200
    assert_refused(await use_refresh_token(server, first_tokens["refresh_token"]), "invalid_grant")
    assert not await server.active(first_tokens["access_token"])


# Token confusion and malformed requests


async def test_refresh_token_used_as_access_token_is_rejected(server, first_tokens):
    assert (await server.userinfo(first_tokens["refresh_token"])).status_code == 401


@pytest.mark.parametrize("kind", ["access_token", "id_token"])
async def test_refresh_with_access_or_id_token_is_rejected(server, first_tokens, kind):
    assert_refused(await use_refresh_token(server, first_tokens[kind]), "invalid_grant", "invalid_request")


async def test_refresh_with_code_is_rejected(server, refreshing_attempt):
    assert_refused(await use_refresh_token(server, await refreshing_attempt.code()), "invalid_grant", "invalid_request")


@pytest.mark.parametrize("garbage", ["a", "a.b.c", "a" * 5000, "é", "../../etc/passwd", "' OR 1=1 --"])
async def test_refresh_token_invented_is_rejected(server, garbage):
    assert_refused(await use_refresh_token(server, garbage), "invalid_grant", "invalid_request")


@pytest.mark.parametrize("nothing", [None, ""])
async def test_refresh_without_refresh_token_is_rejected(server, nothing):
    assert_refused(await use_refresh_token(server, nothing), "invalid_request")


async def test_refresh_with_duplicate_refresh_token_is_rejected(server, first_tokens):
    client = server.client("refreshing")
    form = {"grant_type": "refresh_token", "refresh_token": first_tokens["refresh_token"]}
    pairs = [
        *client.credentials(server.issuer).items(),
        *form.items(),
        ("refresh_token", first_tokens["refresh_token"]),
    ]
    assert_refused(await server.raw("token_endpoint", pairs), "invalid_request")


async def test_refresh_token_in_query_is_rejected(server, first_tokens):
    client = server.client("refreshing")
    address = f"{server.metadata['token_endpoint']}?refresh_token={first_tokens['refresh_token']}"
    answer = await server.http.post(address, data=client.credentials(server.issuer) | {"grant_type": "refresh_token"})
    assert_refused(answer, "invalid_request")


# ID token


async def test_refreshed_id_token_keeps_subject_and_login(server, first_tokens):
    made = (await use_refresh_token(server, first_tokens["refresh_token"])).json()
    before, after = read_claims(first_tokens["id_token"]), server.verified(made["id_token"])
    same = ("iss", "sub", "aud")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert after.get("auth_time") == before.get("auth_time")
    assert after.get("nonce", before["nonce"]) == before["nonce"]
    assert after["iat"] >= before["iat"]
    assert (await server.userinfo(made["access_token"])).json()["sub"] == before["sub"]


async def test_refresh_response_has_cache_control_no_store(server, first_tokens):
    answer = await use_refresh_token(server, first_tokens["refresh_token"])
    assert "no-store" in answer.headers["cache-control"]
