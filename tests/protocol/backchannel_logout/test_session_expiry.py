"""Session expiry (idle or absolute) sends one logout token per client. Consents stay valid for their agreed time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from machtiging.oauth.openid.backchannel_logout import send_due_notices
from machtiging.oauth.openid.session_expiry import expire_sessions
from machtiging.oauth.retention import delete_expired_rows
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.flow import start_login_flow, verify_id_token, verify_jwt
from tests.builders.rows import LOGOUT_NOTICES
from tests.builders.tokens import REFRESHING
from tests.protocol.backchannel_logout.logout_receiver import make_logout_sender


@pytest.fixture
async def flow(oauth, receiver):
    """A client with refresh tokens and a backchannel_logout_uri, and a logged-in person."""
    return await start_login_flow(
        oauth, await oauth.register_reading_app(backchannel_logout_uri=receiver.uri, grant_types=REFRESHING)
    )


async def expire(oauth) -> int:
    return await expire_sessions(oauth.sessions, oauth.service.state.services.session_limits, oauth.clock)


@pytest.mark.parametrize("limit", ["idle_timeout", "absolute_timeout"])
async def test_expired_session_sends_the_same_logout_token_once(oauth, flow, receiver, limit) -> None:
    mine = await verify_id_token(oauth, await flow.tokens())
    lasts = getattr(oauth.service.state.services.session_limits, limit)
    if limit == "absolute_timeout":
        async with unit_of_work(oauth.sessions) as session:  # the session stays active
            await session.execute(
                text("UPDATE login_session SET last_seen_at = :then"), {"then": oauth.clock.now() + lasts}
            )
    oauth.clock.advance(lasts - timedelta(minutes=5, seconds=1))
    assert await expire(oauth) == 0
    oauth.later(seconds=1, minutes=5 if limit == "idle_timeout" else 0)
    assert await expire(oauth) == 1
    assert await expire(oauth) == 0
    assert await send_due_notices(make_logout_sender(oauth)) == 1
    assert await send_due_notices(make_logout_sender(oauth)) == 0
    header, told = await verify_jwt(oauth, receiver.came[0]["logout_token"])
    assert header["typ"] == "logout+jwt"
    assert {name: told[name] for name in ("iss", "aud", "sub", "sid")} == {
        name: mine[name] for name in ("iss", "aud", "sub", "sid")
    }


async def test_refresh_token_outlives_expired_session(oauth, flow) -> None:
    tokens = await flow.tokens()
    oauth.later(minutes=20)
    assert await expire(oauth) == 1
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    refreshed = await flow.app.post("/token", form)
    assert refreshed.status_code == 200, refreshed.text
    assert await oauth.lines("grant:beeindigd") == []


async def test_concurrent_workers_record_session_expiry_once(oauth, flow) -> None:
    await flow.tokens()
    oauth.later(minutes=20)
    assert sum(await asyncio.gather(*(expire(oauth) for _ in range(4)))) == 1
    assert await LOGOUT_NOTICES.count(oauth) == 1


async def test_session_expiry_processes_more_than_one_batch(oauth, flow) -> None:
    await flow.tokens()
    async with unit_of_work(oauth.sessions) as session:
        again = "SELECT gen_random_uuid(), sha256(n::text::bytea), person_id, assurance, roles, 'x', authenticated_at,"
        more = " created_at, last_seen_at, expires_at, gen_random_uuid() FROM login_session, generate_series(1, 250) n"
        columns = "id, token_hash, person_id, assurance, roles, csrf_token, authenticated_at, created_at, last_seen_at,"
        await session.execute(text(f"INSERT INTO login_session ({columns} expires_at, sid) {again}{more}"))
    oauth.later(minutes=20)
    assert await expire(oauth) == 251
    assert await LOGOUT_NOTICES.count(oauth) == 1


async def test_login_again_before_expiry_keeps_sid_and_sends_no_logout_token(oauth, flow) -> None:
    await flow.tokens()
    oauth.later(minutes=20)
    await flow.browser.log_in("naaste")
    assert await expire(oauth) == 0
    assert await LOGOUT_NOTICES.count(oauth) == 0


async def test_login_after_expiry_gets_a_new_sid(oauth, flow) -> None:
    before = await verify_id_token(oauth, await flow.tokens())
    oauth.later(minutes=20)
    await expire(oauth)
    await flow.browser.log_in("naaste")
    after = await verify_id_token(oauth, await flow.tokens())
    assert (before["sub"], before["sid"] == after["sid"]) == (after["sub"], False)


async def test_cleanup_keeps_expired_sessions_not_yet_notified(oauth, flow) -> None:
    await flow.tokens()
    oauth.later(days=3)
    await delete_expired_rows(oauth.sessions, oauth.clock)
    assert await expire(oauth) == 1
    assert await LOGOUT_NOTICES.count(oauth) == 1
