"""Polling issues one token to the requesting client, after approval (OpenID CIBA Core 1.0 sections 10 and 11)."""

import asyncio
import math

import pytest
from joserfc.jwk import ECKey

from tests.builders.messages import read_header
from tests.protocol.black_box.authorization_server import assert_refused
from tests.protocol.black_box.ciba_desk import CIBA
from tests.protocol.black_box.client_requests import with_proof


async def approve_request(ciba_desk, **changes):
    asked = await ciba_desk.asks(**changes)
    await asked.says("yes")
    return asked


@pytest.fixture
async def pending_ciba_request(ciba_desk):
    """A CIBA request that stays unanswered."""
    hint = ciba_desk.description["nobody"]
    asked = ciba_desk.record_request("desk", None, hint, await ciba_desk.tries(hint))
    asked.open = False
    return asked


async def test_ciba_poll_after_approval_issues_token_with_subject(server, ciba_desk):
    asked = await ciba_desk.asks()
    assert await asked.hears() == "authorization_pending"
    await asked.says("yes")
    answer = await asked.poll()
    assert answer.status_code == 200, answer.text
    assert "no-store" in answer.headers["cache-control"]
    made = answer.json()
    assert await server.active(made["access_token"])
    claims = server.verified(made["id_token"])
    assert claims["aud"] == asked.client.client_id
    assert claims["iss"] == server.issuer
    assert read_header(made["id_token"])["alg"] in {"PS256", "ES256"}
    assert (await server.userinfo(made["access_token"])).json()["sub"] == claims["sub"]


async def test_ciba_client_gets_no_refresh_token(ciba_desk):
    assert "refresh_token" not in (await (await approve_request(ciba_desk)).poll()).json()


async def test_ciba_token_has_the_requested_authorization_details(server, ciba_desk):
    asked = await approve_request(ciba_desk, authorization_details=server.details("less"))
    made = (await asked.poll()).json()
    assert (await server.introspect(made["access_token"]))["authorization_details"] == made["authorization_details"]
    assert server.details("less") == str(made["authorization_details"]).replace("'", '"')


# Pending, denied, expired


async def test_ciba_poll_too_fast_returns_slow_down(pending_ciba_request):
    assert await pending_ciba_request.hears() == "authorization_pending"
    assert await pending_ciba_request.hears() == "slow_down"
    assert await pending_ciba_request.hears() == "slow_down"


async def test_ciba_concurrent_polls_return_slow_down_except_one(pending_ciba_request):
    heard = await asyncio.gather(*(pending_ciba_request.hears() for _ in range(4)))
    assert sorted(heard) == ["authorization_pending", "slow_down", "slow_down", "slow_down"]


async def test_ciba_poll_after_denial_returns_access_denied(ciba_desk):
    asked = await ciba_desk.asks()
    await asked.says("no")
    assert_refused(await asked.poll(), "access_denied")
    assert_refused(await asked.poll(), "access_denied", "invalid_grant")


async def test_ciba_request_unanswered_in_time_is_expired(ciba_desk):
    hint = ciba_desk.description["nobody"]
    late = ciba_desk.record_request("desk", None, hint, await ciba_desk.tries(hint, requested_expiry="1"))
    late.open = False
    assert late.answer["expires_in"] == 1
    await asyncio.sleep(1.6)
    assert_refused(await late.poll(), "expired_token")
    assert_refused(await late.poll(), "expired_token", "invalid_grant")


async def test_ciba_approval_not_fetched_in_time_is_expired(ciba_desk):
    asked = await approve_request(ciba_desk, requested_expiry="4")
    await asyncio.sleep(4.5)
    assert_refused(await asked.poll(), "expired_token", "invalid_grant")


# Replay


async def test_ciba_auth_req_id_replayed_is_rejected(ciba_desk):
    asked = await approve_request(ciba_desk)
    assert (await asked.poll()).status_code == 200
    assert_refused(await asked.poll(), "invalid_grant")


async def test_ciba_concurrent_polls_after_approval_issue_one_token(ciba_desk):
    asked = await approve_request(ciba_desk)
    answers = await asyncio.gather(*(asked.poll() for _ in range(5)))
    assert [answer.status_code for answer in answers].count(200) == 1
    for answer in answers:
        if answer.status_code != 200:
            assert_refused(answer, "invalid_grant")


# Client binding


async def test_ciba_auth_req_id_of_another_client_is_rejected(ciba_desk):
    asked = await approve_request(ciba_desk)
    assert_refused(await asked.poll(by="desk_too"), "invalid_grant")
    assert (await asked.poll()).status_code == 200  # the request is not consumed by that


async def test_ciba_poll_by_another_client_does_not_reveal_the_request(pending_ciba_request):
    assert_refused(await pending_ciba_request.poll(by="desk_too"), "invalid_grant")
    assert_refused(await pending_ciba_request.poll(by="signing_desk"), "invalid_grant")


@pytest.mark.parametrize("by", ["app", "machine", "resource", "public", "refreshing"])
async def test_ciba_poll_by_client_of_other_grant_type_is_rejected(ciba_desk, pending_ciba_request, by):
    assert_refused(await pending_ciba_request.poll(by=by), "unauthorized_client", "invalid_client", "invalid_request")


async def test_ciba_poll_without_client_authentication_is_rejected(server, pending_ciba_request):
    form = {
        "grant_type": CIBA,
        "auth_req_id": pending_ciba_request.answer["auth_req_id"],
        "client_id": pending_ciba_request.client.client_id,
    }
    assert_refused(await server.post("token_endpoint", None, form), "invalid_client", "invalid_request")


async def test_ciba_poll_with_key_of_another_client_is_rejected(server, pending_ciba_request):
    forged = pending_ciba_request.client.credentials(server.issuer, key=server.client("desk_too").key)
    assert_refused(await pending_ciba_request.poll(**forged), "invalid_client")


@pytest.mark.parametrize("name", ["a", "a.b.c", "a" * 5000, "é", "' OR 1=1 --", "urn:ietf:params:oauth:request_uri:x"])
async def test_ciba_auth_req_id_invented_is_rejected(pending_ciba_request, name):
    assert_refused(await pending_ciba_request.poll(auth_req_id=name), "invalid_grant", "invalid_request")


@pytest.mark.parametrize("nothing", [None, ""])
async def test_ciba_poll_without_auth_req_id_is_rejected(pending_ciba_request, nothing):
    assert_refused(await pending_ciba_request.poll(auth_req_id=nothing), "invalid_request")


async def test_ciba_poll_with_duplicate_auth_req_id_is_rejected(server, pending_ciba_request):
    form = {"grant_type": CIBA, "auth_req_id": pending_ciba_request.answer["auth_req_id"]}
    pairs = [*pending_ciba_request.client.credentials(server.issuer).items(), *form.items(), ("auth_req_id", "x")]
    assert_refused(await server.raw("token_endpoint", pairs), "invalid_request")


async def test_ciba_auth_req_id_used_as_token_is_rejected(server, pending_ciba_request):
    name = pending_ciba_request.answer["auth_req_id"]
    assert len(name) * math.log2(64) >= 128
    assert (await server.userinfo(name)).status_code == 401
    assert not await server.active(name)
    form = {"grant_type": "refresh_token", "refresh_token": name}
    assert_refused(await server.post("token_endpoint", server.client("refreshing"), form), "invalid_grant")


# Person binding


async def test_ciba_approval_of_one_person_does_not_approve_another_request(ciba_desk):
    first, second = await ciba_desk.asks(), await ciba_desk.asks()
    await first.says("yes")
    assert await second.hears() == "authorization_pending"
    assert (await first.poll()).status_code == 200


async def test_ciba_request_is_hidden_from_another_person(ciba_desk):
    asked = await ciba_desk.asks()
    if not ciba_desk.description.get("people"):
        pytest.skip("there, nobody logs in to answer")
    other, _ = await ciba_desk.somebody()
    assert other is not asked.person
    page = await other.ask("GET", ciba_desk.server.issuer + ciba_desk.description["questions"])
    assert f'action="{ciba_desk.description["questions"]}"' not in page.text


# Scope, details, resource, sender constraint


@pytest.mark.parametrize("wider", ["more", "elsewhere"])
async def test_ciba_poll_asking_wider_authorization_details_is_rejected(server, ciba_desk, wider):
    asked = await approve_request(ciba_desk, authorization_details=server.details("some"))
    assert_refused(await asked.poll(authorization_details=server.details(wider)), "invalid_authorization_details")


async def test_ciba_poll_asking_other_resource_is_rejected(ciba_desk):
    asked = await approve_request(ciba_desk)
    assert_refused(await asked.poll(resource="https://evil.example/api"), "invalid_target")


async def fetched_with(server, asked, key):
    form = {"grant_type": CIBA, "auth_req_id": asked.answer["auth_req_id"]}
    return await with_proof(server, key, "token_endpoint", form, client=asked.client)


async def test_ciba_request_bound_by_dpop_is_fetched_with_its_key(server, ciba_desk, key):
    asked = await approve_request(ciba_desk, dpop_jkt=key.thumbprint())
    answer = await fetched_with(server, asked, key)
    assert answer.status_code == 200, answer.text
    assert (await server.introspect(answer.json()["access_token"]))["cnf"]["jkt"] == key.thumbprint()


async def test_ciba_request_bound_by_dpop_with_other_key_is_rejected(server, ciba_desk, key):
    asked = await approve_request(ciba_desk, dpop_jkt=key.thumbprint())
    assert_refused(
        await fetched_with(server, asked, ECKey.generate_key("P-256")), "invalid_grant", "invalid_dpop_proof"
    )


async def test_ciba_request_bound_by_dpop_without_proof_is_rejected(ciba_desk, key):
    asked = await approve_request(ciba_desk, dpop_jkt=key.thumbprint())
    assert_refused(await asked.poll(), "invalid_grant", "invalid_dpop_proof")
