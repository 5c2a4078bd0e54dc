"""Token endpoint, optimistic lock: a change between read and write refuses the token."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from machtiging.kernel.ids import GrantId
from machtiging.oauth.end_grants import GrantEnding, end_grant
from machtiging.oauth.suspend_client import suspend_client
from machtiging.oauth.token_endpoint import evaluation
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import BOX_HANDLER
from tests.builders.client import make_client_assertion
from tests.builders.database import wait_until_blocked
from tests.builders.keys import KeyHolder
from tests.builders.people import ISSUER
from tests.builders.rows import AUTHORIZATION_CODES, GRANTS, ISSUED_TOKENS, REFRESH_TOKENS
from tests.builders.tokens import make_refresh_token_holder, register_refreshing_app

CREDENTIALS = {"code": AUTHORIZATION_CODES, "refresh": REFRESH_TOKENS}


async def asking(oauth, kind):
    """A client that can redeem a code or refresh, its request, and its grant id."""
    if kind == "refresh":
        holder = await make_refresh_token_holder(oauth)
        return holder.app, holder.refresh, GrantId(holder.grant_id)
    flow = await oauth.start_flow(await register_refreshing_app(oauth))
    code = await flow.code()

    async def redeem(**changes):
        return await flow.redeem(code, **changes)

    return flow.app, redeem, GrantId(await GRANTS.read_value(oauth, "id"))


async def assert_refused(answer, error, status=400):
    assert (answer.status_code, answer.json().get("error")) == (status, error), answer.text


@pytest.mark.parametrize("kind", ["code", "refresh"])
async def test_grant_end_concurrent_with_token_request_issues_no_token(oauth, kind) -> None:
    _, ask, grant_id = await asking(oauth, kind)
    made = await ISSUED_TOKENS.count(oauth)
    async with unit_of_work(oauth.sessions) as session:
        await end_grant(session, BOX_HANDLER, grant_id, GrantEnding("proef"), at=oauth.clock.now())
        task = asyncio.create_task(ask())
        await wait_until_blocked(oauth.sessions, task)
    await assert_refused(await task, "invalid_grant")
    assert await ISSUED_TOKENS.count(oauth) == made
    assert [line.reason for line in await oauth.lines("token:geweigerd")] == ["grant_beeindigd"]


@pytest.mark.parametrize("kind", ["code", "refresh"])
async def test_suspension_concurrent_with_token_request_issues_no_token(oauth, kind) -> None:
    app, ask, _ = await asking(oauth, kind)
    made = await ISSUED_TOKENS.count(oauth)
    async with unit_of_work(oauth.sessions) as session:
        await suspend_client(session, app.client_id, at=oauth.clock.now())
        task = asyncio.create_task(ask())
        await wait_until_blocked(oauth.sessions, task)
    await assert_refused(await task, "invalid_client", 401)
    assert await ISSUED_TOKENS.count(oauth) == made


async def test_code_used_concurrently_with_refused_redemption_is_a_replay(oauth) -> None:
    """The refusal was decided on an unused code. Under the lock it is used, so all is decided again."""
    _, redeem, _ = await asking(oauth, "code")
    async with unit_of_work(oauth.sessions) as session:
        await session.execute(text("UPDATE authorization_code SET used_at = created_at"))
        task = asyncio.create_task(redeem(code_verifier="x" * 43))
        await wait_until_blocked(oauth.sessions, task)
    await assert_refused(await task, "invalid_grant")
    assert [line.reason for line in await oauth.lines("token:geweigerd")] == ["code_hergebruikt"]
    assert [line.reason for line in await oauth.lines("grant:beeindigd")] == ["code_hergebruikt"]


async def test_refused_redemption_concurrent_with_suspension_is_invalid_client(oauth) -> None:
    app, redeem, _ = await asking(oauth, "code")
    async with unit_of_work(oauth.sessions) as session:
        await suspend_client(session, app.client_id, at=oauth.clock.now())
        task = asyncio.create_task(redeem(code_verifier="x" * 43))
        await wait_until_blocked(oauth.sessions, task)
    await assert_refused(await task, "invalid_client", 401)
    assert await oauth.lines("token:geweigerd") == []


@pytest.mark.parametrize("kind", ["code", "refresh"])
async def test_rows_that_change_at_every_attempt_answer_503(oauth, kind, monkeypatch) -> None:
    _, ask, _ = await asking(oauth, kind)
    attempts = []

    async def find_changed_rows(*given):
        attempts.append(given)

    monkeypatch.setattr(evaluation, "consume_and_issue", find_changed_rows)
    assert (await ask()).status_code == 503
    assert len(attempts) == 5
    monkeypatch.undo()
    assert (await ask()).status_code == 200


@pytest.mark.parametrize("kind", ["code", "refresh"])
async def test_client_assertion_replayed_with_replayed_credential_ends_nothing(oauth, kind) -> None:
    """The assertion is consumed before the effect of the refusal: its replay ends no grant."""
    app, ask, _ = await asking(oauth, kind)
    seen = make_client_assertion(app.keys, app.client_id, oauth.clock)
    assert (await ask(client_assertion=seen)).status_code == 200
    await assert_refused(await ask(client_assertion=seen), "invalid_client", 401)
    assert await GRANTS.count(oauth, GRANTS.c.ended_at.is_not(None)) == 0
    await assert_refused(await ask(), "invalid_grant")
    assert await GRANTS.count(oauth, GRANTS.c.ended_at.is_not(None)) == 1


async def test_suspension_concurrent_with_client_credentials_issues_no_token(oauth) -> None:
    agency = await oauth.register_agency()
    async with unit_of_work(oauth.sessions) as session:
        await suspend_client(session, agency.client_id, at=oauth.clock.now())
        task = asyncio.create_task(agency.post("/token", {"grant_type": "client_credentials"}))
        await wait_until_blocked(oauth.sessions, task)
    await assert_refused(await task, "invalid_client", 401)
    assert await ISSUED_TOKENS.count(oauth) == 0


@pytest.mark.parametrize("kind", ["code", "refresh"])
async def test_client_assertion_replayed_consumes_nothing_else(oauth, kind) -> None:
    app, ask, _ = await asking(oauth, kind)
    seen = make_client_assertion(app.keys, app.client_id, oauth.clock)
    await app.post("/introspect", {"token": "x"}, client_assertion=seen)
    await assert_refused(await ask(client_assertion=seen), "invalid_client", 401)
    assert await CREDENTIALS[kind].count(oauth, used_at=None) == 1
    assert await oauth.lines("token:geweigerd") == []
    assert (await ask()).status_code == 200


@pytest.mark.parametrize("kind", ["code", "refresh"])
async def test_dpop_proof_replayed_consumes_the_assertion_only(oauth, kind) -> None:
    app, ask, _ = await asking(oauth, kind)
    app.http.headers["DPoP"] = KeyHolder(oauth.clock).proof("POST", ISSUER + "/token")
    agency = await oauth.register_agency()
    agency.http.headers["DPoP"] = app.http.headers["DPoP"]
    assert (await agency.post("/token", {"grant_type": "client_credentials"})).status_code == 200
    mine = make_client_assertion(app.keys, app.client_id, oauth.clock)
    await assert_refused(await ask(client_assertion=mine), "invalid_dpop_proof")
    assert [line.reason for line in await oauth.lines("token:geweigerd")] == ["dpop_hergebruikt"]
    assert await CREDENTIALS[kind].count(oauth, used_at=None) == 1
    del app.http.headers["DPoP"]
    await assert_refused(await ask(client_assertion=mine), "invalid_client", 401)
    assert (await ask()).status_code == 200


async def test_dpop_proof_used_concurrently_for_two_codes_issues_one_token(oauth) -> None:
    app = await register_refreshing_app(oauth)
    flows = [await oauth.start_flow(app, await oauth.grant_machtiging()) for _ in range(2)]
    codes = [await flow.code() for flow in flows]
    app.http.headers["DPoP"] = KeyHolder(oauth.clock).proof("POST", ISSUER + "/token")
    answers = await asyncio.gather(*(flow.redeem(code) for flow, code in zip(flows, codes, strict=True)))
    assert sorted(answer.status_code for answer in answers) == [200, 400]
    assert await AUTHORIZATION_CODES.count(oauth, used_at=None) == 1


@pytest.mark.parametrize("kind", ["code", "refresh"])
async def test_token_request_for_other_resource_keeps_the_refresh_token(oauth, kind) -> None:
    _, ask, _ = await asking(oauth, kind)
    await assert_refused(await ask(resource="https://elders.example"), "invalid_target")
    assert await CREDENTIALS[kind].count(oauth, used_at=None) == (1 if kind == "refresh" else 0)


async def test_concurrent_token_requests_end_and_suspension_do_not_deadlock(oauth) -> None:
    """Redemption, refresh, replay, end and suspension on the same rows: no deadlock, no 5xx."""
    app = await register_refreshing_app(oauth)
    holders = [await make_refresh_token_holder(oauth, app) for _ in range(4)]

    async def ending(holder):
        async with unit_of_work(oauth.sessions) as session:
            await end_grant(session, BOX_HANDLER, holder.grant_id, GrantEnding("proef"), at=oauth.clock.now())

    async def suspending():
        async with unit_of_work(oauth.sessions) as session:
            await suspend_client(session, app.client_id, at=oauth.clock.now())

    work = [holder.refresh() for holder in holders for _ in range(3)]
    work += [ending(holders[0]), ending(holders[1]), suspending()]
    done = await asyncio.gather(*work)
    assert {answer.status_code for answer in done if answer is not None} <= {200, 400, 401}
    async with unit_of_work(oauth.sessions) as session:
        assert await ISSUED_TOKENS.count(session, revoked_at=None) == 0
