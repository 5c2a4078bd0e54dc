"""Logout concurrent with client suspension: both revoke tokens in the same order, so without deadlock."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from sqlalchemy import text

from machtiging.oauth.end_grants import GrantEnding, end_grants_of_session
from machtiging.oauth.suspend_client import suspend_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import BOX_HANDLER
from tests.builders.messages import read_claims
from tests.builders.tokens import update_rows

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def wait_for_lock_waits(oauth, how_many: int) -> None:
    async with asyncio.timeout(60):
        while True:
            async with unit_of_work(oauth.sessions) as session:
                if await session.scalar(text(WAITING)) >= how_many:
                    return
            await asyncio.sleep(0.01)


async def test_logout_concurrent_with_suspension_does_not_deadlock(exchanging_clients, oauth) -> None:
    older, newer = [await exchanging_clients.issue_token(None, machtiging=None) for _ in range(2)]
    ids, sid, at = [read_claims(token)["jti"] for token in (older, newer)], uuid4(), oauth.clock.now()
    await update_rows(exchanging_clients.oauth, "UPDATE oauth_grant SET session_id = :sid", sid=sid)
    # the grant of the newer token is ordered first
    await update_rows(exchanging_clients.oauth, "UPDATE issued_token SET grant_id = CASE id WHEN :a THEN (SELECT max(id::text)::uuid FROM oauth_grant) ELSE (SELECT min(id::text)::uuid FROM oauth_grant) END", a=ids[0])  # fmt: skip # noqa: E501

    async def log_out() -> None:
        async with unit_of_work(oauth.sessions) as session:
            assert await end_grants_of_session(session, BOX_HANDLER, sid, GrantEnding("uitgelogd"), at=at) == 2

    async def suspend_app() -> None:
        async with unit_of_work(oauth.sessions) as session:
            await suspend_client(session, exchanging_clients.app.client_id, at=at)

    async with unit_of_work(oauth.sessions) as session:
        await session.execute(text("SELECT 1 FROM issued_token WHERE id = :id FOR UPDATE"), {"id": ids[1]})
        both = [asyncio.create_task(log_out())]
        await wait_for_lock_waits(oauth, 1)
        both.append(asyncio.create_task(suspend_app()))
        await wait_for_lock_waits(oauth, 2)
    await asyncio.gather(*both)
    assert [(await exchanging_clients.row(token)).revoked_at for token in (older, newer)] == [at, at]
