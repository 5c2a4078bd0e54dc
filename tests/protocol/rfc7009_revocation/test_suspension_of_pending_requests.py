"""Suspension of a client also ends its codes, pushed requests, refresh tokens and CIBA requests."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from machtiging.oauth.queries import find_active_client
from machtiging.oauth.suspend_client import resume_client, suspend_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import wait_until_blocked
from tests.builders.messages import read_query
from tests.builders.rows import AUTHORIZATION_CODES, GRANTS, READERS


async def suspended_and_back(oauth, client_id) -> None:
    for act in (suspend_client, resume_client):
        async with unit_of_work(oauth.sessions) as session:
            await act(session, client_id, at=oauth.clock.now())


async def test_code_stays_invalid_after_suspension_and_resumption(oauth) -> None:
    flow = await oauth.start_flow()
    code = await flow.code()
    await suspended_and_back(oauth, flow.app.client_id)
    answer = await flow.redeem(code)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    (line,) = await oauth.lines("token:geweigerd")
    assert line.reason == "code_verlopen"


async def test_pushed_request_stays_invalid_after_suspension_and_resumption(oauth) -> None:
    flow = await oauth.start_flow()
    request_uri = await flow.pushed()
    await suspended_and_back(oauth, flow.app.client_id)
    assert (await flow.authorize(request_uri)).status_code == 400


async def test_consent_page_stays_invalid_after_suspension_and_resumption(oauth) -> None:
    flow = await oauth.start_flow()
    form = await flow.consent_form(await flow.pushed())
    await suspended_and_back(oauth, flow.app.client_id)
    assert (await flow.press(form)).status_code == 400
    assert await oauth.lines("grant:verleend") == []


@pytest.mark.parametrize("table", ["refresh_token", "backchannel_request"])
async def test_refresh_token_and_ciba_request_end_at_suspension(oauth, table) -> None:
    flow = await oauth.start_flow()
    await flow.tokens()
    now, client_id = oauth.clock.now(), flow.app.client_id
    values = {"hash": b"x" * 32}
    insert = {
        "refresh_token": "INSERT INTO refresh_token (token_hash, grant_id, client_id, created_at, expires_at) "
        "SELECT :hash, id, client_id, created_at, created_at + interval '1 hour' FROM oauth_grant",
        "backchannel_request": "INSERT INTO backchannel_request (request_hash, client_id, person_id, params, "
        "binding_message, state, created_at, expires_at, interval_seconds) SELECT :hash, client_id, person_id, '{}', "
        "'A1', 'pending', created_at, created_at + interval '5 minutes', 5 FROM oauth_grant",
    }[table]
    async with unit_of_work(oauth.sessions) as session:
        await session.execute(text(insert), values)
    await suspended_and_back(oauth, client_id)
    assert await READERS[table].count(oauth, READERS[table].c.expires_at > now, client_id=client_id) == 0


async def test_suspension_leaves_pending_requests_of_other_clients(oauth) -> None:
    flow, other = await oauth.start_flow(), await oauth.register_reading_app()
    code = await flow.code()
    await suspended_and_back(oauth, other.client_id)
    assert (await flow.redeem(code)).status_code == 200


async def test_suspension_does_not_wait_for_concurrent_code_redemption(oauth) -> None:
    flow = await oauth.start_flow()
    await flow.code()
    client_id = flow.app.client_id
    async with unit_of_work(oauth.sessions) as session:
        await session.execute(text("UPDATE authorization_code SET used_at = :at"), {"at": oauth.clock.now()})
        async with unit_of_work(oauth.sessions) as beside:  # would deadlock if it locked the code's row
            await beside.execute(text("SET LOCAL lock_timeout = '2s'"))
            await suspend_client(beside, client_id, at=oauth.clock.now())
            assert await find_active_client(beside, client_id) is None


async def test_consent_concurrent_with_suspension_issues_no_code(oauth) -> None:
    flow = await oauth.start_flow()
    form = await flow.consent_form(await flow.pushed())
    async with unit_of_work(oauth.sessions) as session:
        await suspend_client(session, flow.app.client_id, at=oauth.clock.now())
        deciding = asyncio.create_task(flow.press(form))
        await wait_until_blocked(oauth.sessions, deciding)
    answer = await deciding
    assert answer.status_code == 400
    async with unit_of_work(oauth.sessions) as session:
        assert await AUTHORIZATION_CODES.count(session) == 0
        assert await GRANTS.count(session) == 0


async def test_suspension_waits_for_concurrent_consent_and_ends_its_code(oauth) -> None:
    flow = await oauth.start_flow()
    form = await flow.consent_form(await flow.pushed())

    async def suspending() -> None:
        async with unit_of_work(oauth.sessions) as session:
            await suspend_client(session, flow.app.client_id, at=oauth.clock.now())

    async with unit_of_work(oauth.sessions) as outsider:
        await outsider.execute(text("LOCK TABLE oauth_grant IN EXCLUSIVE MODE"))
        deciding = asyncio.create_task(flow.press(form))
        await wait_until_blocked(oauth.sessions, deciding)
        closing = asyncio.create_task(suspending())
        await wait_until_blocked(oauth.sessions, deciding, closing)
    code = read_query((await deciding).headers["location"])["code"]
    await closing
    async with unit_of_work(oauth.sessions) as session:
        await resume_client(session, flow.app.client_id, at=oauth.clock.now())
    answer = await flow.redeem(code)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
