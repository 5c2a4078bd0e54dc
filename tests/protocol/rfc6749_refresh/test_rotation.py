"""Refresh token rotation (RFC 6749 section 6, OIDC-NLGOV 5.2.8), its limits in time and scope."""

import json
from uuid import uuid4

import pytest

from machtiging.delegation.pause import pause_machtiging, resume_machtiging
from machtiging.delegation.rules import Act
from machtiging.delegation.termination import revoke_machtiging
from machtiging.oauth import suspend_client
from machtiging.oauth.end_grants import GrantEnding, end_grant
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import BOX_HANDLER
from tests.builders.client import make_authorization_details, make_client_keys
from tests.builders.messages import read_claims
from tests.builders.rows import ISSUED_TOKENS, REFRESH_TOKENS
from tests.builders.tokens import REFRESHING, make_refresh_token_holder, register_refreshing_app


async def assert_error(response, error: str, status: int = 400) -> None:
    assert (response.status_code, response.json()["error"]) == (status, error), response.text
    assert response.headers["cache-control"] == "no-store"


async def test_refresh_rotates_twice_after_login(oauth):
    app = await register_refreshing_app(oauth)
    flow = await oauth.start_flow(app)
    first = await flow.tokens()
    holder = await make_refresh_token_holder(oauth, app, own=True)
    second = await holder.refreshed(first["refresh_token"])
    third = await holder.refreshed(second["refresh_token"])
    tokens = [answer["refresh_token"] for answer in (first, second, third)]
    assert len(set(tokens)) == 3
    assert await holder.active(third["access_token"])
    assert third["authorization_details"] == first["authorization_details"]
    same = ("sub", "represents", "auth_time", "acr", "aud", "client_id", "scope")
    before, after = read_claims(first["access_token"]), read_claims(third["access_token"])
    assert {name: before[name] for name in same} == {name: after[name] for name in same}
    assert before["jti"] != after["jti"]


async def test_refresh_token_is_not_issued_by_default(oauth):
    flow = await oauth.start_flow()
    answer = await flow.tokens()
    assert "refresh_token" not in answer
    response = await flow.app.post("/token", {"grant_type": "refresh_token", "refresh_token": "x" * 43})
    await assert_error(response, "unauthorized_client")


async def test_refresh_token_is_not_issued_to_public_client_without_binding(oauth):
    app = await oauth.register_public_app(grant_types=REFRESHING)
    answer = await (await oauth.start_flow(app)).tokens()
    assert "refresh_token" not in answer


async def test_refresh_token_is_not_issued_with_client_credentials(oauth):
    agency = await oauth.register_agency()
    answer = await agency.post("/token", {"grant_type": "client_credentials"})
    assert answer.status_code == 200
    assert "refresh_token" not in answer.json()


async def test_refresh_token_is_stored_as_hash(oauth):
    holder = await make_refresh_token_holder(oauth)
    answer = await holder.refreshed()
    rows = await REFRESH_TOKENS.dump(oauth)
    assert str(holder.grant_id) in rows
    assert holder.refresh_token not in rows
    assert answer["refresh_token"] not in rows
    assert len(answer["refresh_token"]) >= 43


async def test_refreshed_id_token_keeps_sub_and_auth_time_without_nonce(oauth):
    app = await register_refreshing_app(oauth)
    first = await (await oauth.start_flow(app)).tokens()
    oauth.later(minutes=5)
    holder = await make_refresh_token_holder(oauth, app, own=True)
    before = read_claims(first["id_token"])
    after = read_claims((await holder.refreshed(first["refresh_token"]))["id_token"])
    assert "nonce" in before
    assert "nonce" not in after
    for name in ("iss", "sub", "aud", "auth_time", "acr", "represents"):
        assert after[name] == before[name]
    assert after["iat"] == before["iat"] + 300


@pytest.mark.parametrize("late", [{"hours": 6}, {"hours": 6, "seconds": 1}, {"days": 2}])
async def test_refresh_token_unused_for_six_hours_is_expired(oauth, late):
    holder = await make_refresh_token_holder(oauth)
    oauth.later(**late)
    await assert_error(await holder.refresh(), "invalid_grant")


async def test_refresh_token_is_accepted_until_six_hours(oauth):
    holder = await make_refresh_token_holder(oauth)
    oauth.later(hours=5, minutes=59, seconds=59)
    assert (await holder.refresh()).status_code == 200


async def test_refresh_token_expires_one_day_after_consent(oauth):
    holder = await make_refresh_token_holder(oauth, own=True)
    token = holder.refresh_token
    for _ in range(4):
        oauth.later(hours=5, minutes=59)
        token = (await holder.refreshed(token))["refresh_token"]
    oauth.later(minutes=3, seconds=59)
    last = await holder.refreshed(token)
    oauth.later(seconds=1)
    await assert_error(await holder.refresh(last["refresh_token"]), "invalid_grant")


async def test_refresh_token_expires_with_the_machtiging(oauth):
    held = await oauth.grant_machtiging()
    oauth.clock.advance(held.period.ends_at - oauth.clock.now())
    oauth.later(hours=-1)
    holder = await make_refresh_token_holder(oauth, machtiging=held)
    kept = await REFRESH_TOKENS.read_value(oauth, "expires_at")
    assert kept == held.period.ends_at
    oauth.later(hours=1)
    await assert_error(await holder.refresh(), "invalid_grant")


async def test_refresh_rejected_does_not_consume_the_token(oauth):
    holder = await make_refresh_token_holder(oauth)
    await assert_error(await holder.refresh(scope="openid profile"), "invalid_scope")
    for wider in (make_authorization_details(uuid4(), "lezen"), make_authorization_details(None, "verwijderen")):
        await assert_error(await holder.refresh(authorization_details=wider), "invalid_authorization_details")
    await assert_error(await holder.refresh(resource="https://elders.example"), "invalid_target")
    await holder.refreshed()
    assert await holder.ended() is None


async def test_refresh_with_narrower_details_keeps_the_full_consent(oauth):
    holder = await make_refresh_token_holder(oauth)
    less = json.dumps([{"type": "berichtenbox", "machtiging": str(holder.machtiging.id), "actions": ["lijst"]}])
    narrow = await holder.refreshed(authorization_details=less)
    assert narrow["authorization_details"] == json.loads(less)
    assert (await ISSUED_TOKENS.read_column(oauth, "acts", order_by="issued_at, id"))[-1] == [Act.LIST]
    whole = await holder.refreshed(narrow["refresh_token"])
    assert whole["authorization_details"][0]["actions"] == ["lijst", "lezen", "downloaden"]


@pytest.mark.parametrize("actions", [["markeren"], [], ["lezen", "lezen"]])
async def test_refresh_with_wider_actions_is_rejected(oauth, actions):
    holder = await make_refresh_token_holder(oauth)
    asked = [{"type": "berichtenbox", "machtiging": str(holder.machtiging.id), "actions": actions}]
    await assert_error(await holder.refresh(authorization_details=json.dumps(asked)), "invalid_authorization_details")


async def test_refresh_without_openid_issues_no_id_token(oauth):
    app = await register_refreshing_app(oauth)
    first = await (await oauth.start_flow(app)).tokens(scope=None, nonce=None)
    holder = await make_refresh_token_holder(oauth, app, own=True)
    answer = await holder.refreshed(first["refresh_token"])
    assert "id_token" not in answer


@pytest.mark.parametrize(
    "changes", [{"refresh_token": None}, {"refresh_token": "x" * 43}, {"refresh_token": "x" * 500}]
)
async def test_refresh_token_missing_or_unknown_is_rejected(oauth, changes):
    holder = await make_refresh_token_holder(oauth)
    response = await holder.refresh(**changes)
    await assert_error(response, "invalid_grant" if changes["refresh_token"] else "invalid_request")


async def test_refresh_token_stolen_by_another_client_is_rejected_and_stays_valid(oauth):
    holder = await make_refresh_token_holder(oauth)
    thief = await register_refreshing_app(oauth)
    form = {"grant_type": "refresh_token", "refresh_token": holder.refresh_token}
    stolen = await thief.post("/token", form)
    unknown = await thief.post("/token", form | {"refresh_token": "x" * 43})
    assert (stolen.status_code, stolen.content) == (unknown.status_code, unknown.content)
    await holder.refreshed()


async def test_refresh_with_other_client_key_is_rejected(oauth):
    holder = await make_refresh_token_holder(oauth)
    mine, holder.app.keys = holder.app.keys, make_client_keys()
    await assert_error(await holder.refresh(), "invalid_client", 401)
    holder.app.keys = mine
    await holder.refreshed()


async def test_access_and_refresh_tokens_are_not_interchangeable(oauth):
    holder = await make_refresh_token_holder(oauth)
    await assert_error(await holder.refresh(holder.access), "invalid_grant")
    answer = await holder.app.http.get("/userinfo", headers={"Authorization": f"Bearer {holder.refresh_token}"})
    assert answer.status_code == 401


async def test_refresh_of_ended_grant_is_rejected(oauth):
    holder = await make_refresh_token_holder(oauth)
    async with unit_of_work(oauth.sessions) as session:
        await end_grant(session, BOX_HANDLER, holder.grant_id, GrantEnding("proef"), at=oauth.clock.now())
    await assert_error(await holder.refresh(), "invalid_grant")


async def test_refresh_under_revoked_machtiging_is_rejected(oauth):
    holder = await make_refresh_token_holder(oauth)
    await holder.change(revoke_machtiging)
    await assert_error(await holder.refresh(), "invalid_grant")


async def test_refresh_under_paused_machtiging_is_rejected_until_resumed(oauth):
    holder = await make_refresh_token_holder(oauth)
    await holder.change(pause_machtiging)
    await assert_error(await holder.refresh(), "invalid_grant")
    await assert_error(await holder.refresh(), "invalid_grant")
    await holder.change(resume_machtiging)
    await holder.refreshed()


async def test_refresh_of_suspended_client_is_rejected_also_after_resumption(oauth):
    holder = await make_refresh_token_holder(oauth)
    async with unit_of_work(oauth.sessions) as session:
        await suspend_client.suspend_client(session, holder.app.client_id, at=oauth.clock.now())
    await assert_error(await holder.refresh(), "invalid_client", 401)
    async with unit_of_work(oauth.sessions) as session:
        await suspend_client.resume_client(session, holder.app.client_id, at=oauth.clock.now())
    await assert_error(await holder.refresh(), "invalid_grant")
    assert await holder.ended() is None
