"""Each push clears away a handful of what has had its time, so that who pushes without end fills no database."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy import text

from machtiging.access.tokens import register
from machtiging.kernel.ids import GrantId, PersonId, uuid7
from machtiging.oauth.sweep import sweep
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.bearer import token_facts


async def count(oauth, table) -> int:
    async with unit_of_work(oauth.sessions) as session:
        return await session.scalar(text(f"SELECT count(*) FROM {table}"))


async def test_pushed_requests_that_are_over_go_and_those_that_wait_stay(oauth) -> None:
    flow, over = await oauth.request(await oauth.public_app()), await oauth.flow()
    await over.code()
    for _ in range(3):
        await flow.pushed()
    oauth.later(seconds=50)
    waiting = await flow.pushed()
    oauth.later(seconds=11)
    await flow.pushed()
    # The decided one lives on for a second click on its button; the three are gone.
    assert await count(oauth, "pushed_request") == 3
    oauth.later(seconds=40)
    assert (await flow.authorize(waiting)).status_code == 303
    oauth.later(minutes=15)
    await flow.pushed()
    assert await count(oauth, "pushed_request") == 1


async def test_one_push_clears_a_hundred_and_the_next_the_rest(oauth) -> None:
    flow = await oauth.request(await oauth.public_app())
    many = """
    INSERT INTO pushed_request (uri_hash, client_id, params, created_at, expires_at)
    SELECT sha256(n::text::bytea), :client, '{}', :at, :at FROM generate_series(1, 150) n
    """
    at = oauth.clock.now() - timedelta(minutes=2)
    async with unit_of_work(oauth.sessions) as session:
        await session.execute(text(many), {"client": flow.app.client_id, "at": at})
    await flow.pushed()
    assert await count(oauth, "pushed_request") == 51
    await flow.pushed()
    assert await count(oauth, "pushed_request") == 2


async def test_a_push_waits_for_nobody_who_holds_what_is_over(oauth) -> None:
    flow = await oauth.request()
    await flow.pushed()
    await flow.pushed()
    oauth.later(minutes=2)
    async with unit_of_work(oauth.sessions) as beside:
        await beside.execute(text("SELECT 1 FROM pushed_request LIMIT 1 FOR UPDATE"))
        async with asyncio.timeout(20):
            await flow.pushed()
    assert await count(oauth, "pushed_request") == 2
    await flow.pushed()
    assert await count(oauth, "pushed_request") == 2


async def test_codes_go_a_day_after_they_expired_used_or_not(oauth) -> None:
    flow = await oauth.flow()
    used = await flow.code()
    assert (await flow.redeem(used)).status_code == 200
    await flow.code()
    oauth.later(hours=24, seconds=59)
    await flow.pushed()
    assert await count(oauth, "authorization_code") == 2
    # So for a whole day a second use is still recognised, and ends the grant.
    await flow.redeem(used)
    assert [line.reason for line in await oauth.lines("grant:beeindigd")] == ["code_hergebruikt"]
    oauth.later(seconds=2)
    await flow.pushed()
    assert await count(oauth, "authorization_code") == 0
    assert await count(oauth, "oauth_grant") == 2


async def test_used_assertions_go_when_they_could_not_be_used_again_anyway(oauth) -> None:
    flow = await oauth.request()
    await flow.pushed()
    oauth.later(minutes=5, seconds=20)
    await flow.pushed()
    assert await count(oauth, "used_assertion") == 2
    oauth.later(seconds=1)
    await flow.pushed()
    assert await count(oauth, "used_assertion") == 2


async def test_issued_tokens_go_thirty_days_after_they_expired(oauth) -> None:
    flow, at = await oauth.request(), oauth.clock.now()
    ends = [at - timedelta(days=30, seconds=1), at - timedelta(days=29), at + timedelta(minutes=1)]
    async with unit_of_work(oauth.sessions) as session:
        for end in ends:
            facts = {"person_id": oauth.committed.people.son, "grant_id": GrantId(uuid7())}
            await register(session, token_facts(**facts, issued_at=end - timedelta(minutes=10), expires_at=end))
    await flow.pushed()
    assert await count(oauth, "issued_token") == 2


async def test_tokens_are_cleared_a_hundred_at_a_time(oauth) -> None:
    end, person = oauth.clock.now() - timedelta(days=31), PersonId(oauth.committed.people.son)
    async with unit_of_work(oauth.sessions) as session:
        for _ in range(101):
            await register(session, token_facts(person_id=person, issued_at=end - timedelta(minutes=9), expires_at=end))
        assert await sweep(session, at=oauth.clock.now()) == 100
        assert await sweep(session, at=oauth.clock.now()) == 1
        assert await sweep(session, at=oauth.clock.now()) == 0


async def test_a_refused_push_clears_nothing_for_whoever_proved_nothing(oauth) -> None:
    flow = await oauth.request()
    await flow.pushed()
    oauth.later(minutes=2)
    assert (await flow.push(client_assertion="onzin")).status_code == 401
    assert await count(oauth, "pushed_request") == 1
