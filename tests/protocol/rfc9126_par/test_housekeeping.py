"""Housekeeping deletes expired rows, one worker at a time; requests delete none."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy import text

from machtiging.access_tokens.tokens import insert_token
from machtiging.identity import login_attempts
from machtiging.identity.rules import LoginRequest
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import GrantId, uuid7
from machtiging.oauth.retention import _SWEEP_LOCK_ID, delete_expired_rows, expired_rows_sweep
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.bearer import make_token_facts
from tests.builders.rows import READERS


async def count(oauth, table) -> int:
    return await READERS[table].count(oauth)


async def swept(oauth) -> int:
    return await delete_expired_rows(oauth.sessions, oauth.clock)


INSERT_PUSHED_REQUESTS = """
INSERT INTO pushed_request (uri_hash, client_id, params, created_at, expires_at)
SELECT sha256(n::text::bytea), :client, '{}', :at, :at FROM generate_series(1, :number) n
"""


async def insert_expired_requests(oauth, client_id, number) -> None:
    at = oauth.clock.now() - timedelta(minutes=2)
    async with unit_of_work(oauth.sessions) as session:
        await session.execute(text(INSERT_PUSHED_REQUESTS), {"client": client_id, "at": at, "number": number})


async def test_housekeeping_is_not_done_by_requests(oauth) -> None:
    flow = await oauth.request(await oauth.register_public_app())
    await insert_expired_requests(oauth, flow.app.client_id, 3)
    await flow.pushed()
    assert await count(oauth, "pushed_request") == 4
    assert (await swept(oauth), await count(oauth, "pushed_request")) == (3, 1)


async def test_housekeeping_deletes_used_assertions_of_introspecting_client(oauth) -> None:
    flow = await oauth.start_flow()
    token = (await flow.tokens())["access_token"]
    for _ in range(5):
        assert (await flow.app.post("/introspect", {"token": token})).status_code == 200
    assert await count(oauth, "used_assertion") > 5
    oauth.later(minutes=6)
    await swept(oauth)
    assert await count(oauth, "used_assertion") == 0


async def test_housekeeping_round_deletes_more_than_one_batch(oauth) -> None:
    flow = await oauth.request(await oauth.register_public_app())
    await insert_expired_requests(oauth, flow.app.client_id, 1_234)
    assert (await swept(oauth), await count(oauth, "pushed_request")) == (1_234, 0)


async def test_housekeeping_by_second_worker_is_skipped(oauth) -> None:
    flow = await oauth.request(await oauth.register_public_app())
    await insert_expired_requests(oauth, flow.app.client_id, 3)
    async with unit_of_work(oauth.sessions) as first:
        assert await first.scalar(text(f"SELECT pg_try_advisory_xact_lock({_SWEEP_LOCK_ID})"))
        assert await swept(oauth) == 0
    assert await swept(oauth) == 3


async def test_housekeeping_deletes_expired_login_attempts_and_sessions(oauth) -> None:
    await oauth.start_flow()
    wish = LoginRequest("/", Assurance.SUBSTANTIAL, None, reauthenticate=True)
    async with unit_of_work(oauth.sessions) as session:
        await session.execute(text("DELETE FROM login_attempt"))
        await login_attempts.create_login_attempt(session, "browser", wish, at=oauth.clock.now())
    oauth.later(hours=9)
    async with unit_of_work(oauth.sessions) as session:
        await login_attempts.create_login_attempt(session, "browser", wish, at=oauth.clock.now())
    await swept(oauth)
    assert await count(oauth, "login_attempt") == 1
    there = await count(oauth, "login_session")
    assert there > 0  # only after its logout notices are stored
    async with unit_of_work(oauth.sessions) as session:
        await session.execute(text("UPDATE login_session SET ended_at = :at"), {"at": oauth.clock.now()})
    await swept(oauth)
    assert await count(oauth, "login_session") == there
    oauth.later(days=1)  # until then a late form still finds its person
    await swept(oauth)
    assert await count(oauth, "login_session") == 0


async def test_housekeeping_deletes_expired_pushed_requests_and_keeps_pending(oauth) -> None:
    flow, over = await oauth.request(await oauth.register_public_app()), await oauth.start_flow()
    await over.code()
    for _ in range(3):
        await flow.pushed()
    oauth.later(seconds=50)
    waiting = await flow.pushed()
    oauth.later(seconds=11)
    await flow.pushed()
    await swept(oauth)
    # the decided one is kept for a double click; the three are deleted
    assert await count(oauth, "pushed_request") == 3
    oauth.later(seconds=40)
    assert (await flow.authorize(waiting)).status_code == 303
    oauth.later(minutes=15)
    await flow.pushed()
    await swept(oauth)
    assert await count(oauth, "pushed_request") == 1


async def test_housekeeping_skips_locked_rows(oauth) -> None:
    flow = await oauth.request()
    await flow.pushed()
    await flow.pushed()
    oauth.later(minutes=2)
    async with unit_of_work(oauth.sessions) as beside:
        await beside.execute(text("SELECT 1 FROM pushed_request LIMIT 1 FOR UPDATE"))
        async with asyncio.timeout(60):
            await swept(oauth)
    assert await count(oauth, "pushed_request") == 1
    await swept(oauth)
    assert await count(oauth, "pushed_request") == 0


async def test_housekeeping_deletes_codes_one_day_after_expiry(oauth) -> None:
    flow = await oauth.start_flow()
    used = await flow.code()
    assert (await flow.redeem(used)).status_code == 200
    await flow.code()
    oauth.later(hours=24, seconds=59)
    await swept(oauth)
    assert await count(oauth, "authorization_code") == 2
    # so a replay is detected for one day, and ends the grant
    await flow.redeem(used)
    assert [line.reason for line in await oauth.lines("grant:beeindigd")] == ["code_hergebruikt"]
    oauth.later(seconds=2)
    await swept(oauth)
    assert await count(oauth, "authorization_code") == 0
    assert await count(oauth, "oauth_grant") == 2


async def test_housekeeping_keeps_used_assertions_while_they_could_be_replayed(oauth) -> None:
    flow = await oauth.request()
    await flow.pushed()
    oauth.later(minutes=5, seconds=20)
    await swept(oauth)
    assert await count(oauth, "used_assertion") == 1
    oauth.later(seconds=1)
    await swept(oauth)
    assert await count(oauth, "used_assertion") == 0


async def test_housekeeping_deletes_issued_tokens_thirty_days_after_expiry(oauth) -> None:
    at = oauth.clock.now()
    ends = [at - timedelta(days=30, seconds=1), at - timedelta(days=29), at + timedelta(minutes=1)]
    async with unit_of_work(oauth.sessions) as session:
        for end in ends:
            facts = {"person_id": oauth.committed.people.son, "grant_id": GrantId(uuid7())}
            await insert_token(
                session, make_token_facts(**facts, issued_at=end - timedelta(minutes=10), expires_at=end)
            )
    await swept(oauth)
    assert await count(oauth, "issued_token") == 2


async def test_housekeeping_statement_deletes_one_batch_of_each_kind(oauth) -> None:
    flow = await oauth.request(await oauth.register_public_app())
    await insert_expired_requests(oauth, flow.app.client_id, 501)
    async with unit_of_work(oauth.sessions) as session:
        assert await expired_rows_sweep(session, at=oauth.clock.now()) == 500
        assert await expired_rows_sweep(session, at=oauth.clock.now()) == 1
        assert await expired_rows_sweep(session, at=oauth.clock.now()) == 0
