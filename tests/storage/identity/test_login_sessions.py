"""Login sessions in the database: stored data, timeouts and retention."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from machtiging.identity.people import find_or_create_by_bsn
from machtiging.identity.profile_claims import Profile
from machtiging.identity.rules import VerifiedLogin
from machtiging.identity.session import (
    EXPIRED_SESSIONS,
    SESSION_RETENTION,
    SessionLimits,
    authenticate_session,
    end_session,
    lock_session,
    start_session,
)
from machtiging.identity.session_end import expire_session_batch
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.bsn import Bsn
from machtiging.storage.sweep import Sweep
from tests.builders.database import wait_until_blocked
from tests.builders.keys import load_keyring
from tests.builders.rows import LOGIN_SESSIONS

LIMITS = SessionLimits(idle_timeout=timedelta(minutes=15), absolute_timeout=timedelta(hours=8))
SECOND = timedelta(seconds=1)


@pytest.fixture
async def session_token(session, clock):
    return await log_in(session, clock)


async def log_in(session, clock):
    person = await find_or_create_by_bsn(session, load_keyring(), Bsn("999990019"), at=clock.now())
    profile = Profile("Riet", None, None)
    login = VerifiedLogin("i", "s", Assurance.HIGH, clock.now(), None, profile, frozenset({"balie"}), None)
    return await start_session(session, person, login, LIMITS, at=clock.now())


async def visitor(session, clock, session_token, limits=LIMITS):
    return await authenticate_session(session, load_keyring(), session_token, limits, at=clock.now())


async def read_last_activity(session):
    return await LOGIN_SESSIONS.read_value(session, "last_seen_at")


async def test_session_token_has_256_bits_and_is_stored_as_hash(session, session_token):
    assert len(session_token) == 43
    assert await LOGIN_SESSIONS.count(session) == 1
    assert session_token not in await LOGIN_SESSIONS.dump(session)


async def test_session_returns_the_login_data(session, clock, session_token):
    found = await visitor(session, clock, session_token)
    assert found.assurance is Assurance.HIGH
    assert found.roles == {"balie"}
    assert found.authenticated_at == clock.now()


@pytest.mark.parametrize("wrong", [None, "", "x", "A" * 43, "A" * 10_000, "é"])
async def test_unknown_session_token_is_rejected(session, clock, session_token, wrong):
    assert await visitor(session, clock, wrong) is None
    assert await end_session(session, wrong, at=clock.now()) is None


async def test_session_token_with_changed_character_is_rejected(session, clock, session_token):
    changed = ("B" if session_token[0] == "A" else "A") + session_token[1:]
    assert await visitor(session, clock, changed) is None


async def test_session_expires_at_its_idle_timeout(session, clock, session_token):
    clock.advance(LIMITS.idle_timeout - SECOND)
    assert await visitor(session, clock, session_token)
    clock.advance(LIMITS.idle_timeout)
    assert await visitor(session, clock, session_token) is None
    assert await visitor(session, clock, session_token) is None


async def test_session_expires_at_its_absolute_timeout(session, clock, session_token):
    busy = LIMITS.idle_timeout - SECOND
    for _ in range(LIMITS.absolute_timeout // busy):
        clock.advance(busy)
        assert await visitor(session, clock, session_token)
    clock.advance(LIMITS.absolute_timeout % busy)
    assert await visitor(session, clock, session_token) is None


async def test_shorter_timeout_setting_applies_to_existing_sessions(session, clock, session_token):
    clock.advance(timedelta(minutes=6))
    assert (
        await visitor(session, clock, session_token, SessionLimits(timedelta(minutes=15), timedelta(minutes=5))) is None
    )
    assert await visitor(session, clock, session_token, SessionLimits(timedelta(minutes=5), timedelta(hours=8))) is None
    assert await visitor(session, clock, session_token)


async def test_ended_session_is_rejected_and_ends_once(session, clock, session_token):
    assert await end_session(session, session_token, at=clock.now()) is not None
    assert await end_session(session, session_token, at=clock.now()) is None
    assert await visitor(session, clock, session_token) is None


async def test_last_seen_is_written_at_most_once_a_minute(session, clock, session_token):
    began = clock.now()
    clock.advance(timedelta(seconds=59))
    await visitor(session, clock, session_token)
    assert await read_last_activity(session) == began
    clock.advance(SECOND)
    await visitor(session, clock, session_token)
    assert await read_last_activity(session) == clock.now()


async def test_request_does_not_wait_for_locked_last_seen(database, clock):
    async with database.sessions() as first, database.sessions() as second:
        person = await find_or_create_by_bsn(first, load_keyring(), Bsn("999990019"), at=clock.now())
        login = VerifiedLogin("i", "s", Assurance.HIGH, clock.now(), None, Profile("", None, None), frozenset(), None)
        token = await start_session(first, person, login, LIMITS, at=clock.now())
        await first.commit()
        clock.advance(timedelta(minutes=2))
        assert await visitor(first, clock, token)  # locks the row, not committed
        await second.execute(text("SET LOCAL lock_timeout = '200ms'"))
        assert await visitor(second, clock, token)


async def test_retention_deletes_expired_ended_sessions_only(session, clock, session_token):
    person = await LOGIN_SESSIONS.read_value(session, "person_id")
    login = VerifiedLogin("i", "s", Assurance.HIGH, clock.now(), None, Profile("", None, None), frozenset(), None)
    sweep = Sweep(EXPIRED_SESSIONS)
    clock.advance(timedelta(hours=7))
    await start_session(session, person, login, LIMITS, at=clock.now())
    assert await sweep(session, at=clock.now()) == 0
    clock.advance(timedelta(hours=2))
    newest = await start_session(session, person, login, LIMITS, at=clock.now())
    # Not before the back-channel logout notices exist.
    assert await sweep(session, at=clock.now() + SESSION_RETENTION) == 0
    assert len(await expire_session_batch(session, LIMITS, limit=9, at=clock.now())) == 2
    # A form that is sent after the session still finds its person for a day.
    assert await sweep(session, at=clock.now()) == 0
    assert await sweep(session, at=clock.now() + SESSION_RETENTION) == 1
    assert await visitor(session, clock, newest)
    assert await visitor(session, clock, session_token) is None


async def test_ending_session_waits_for_session_share_lock(database, clock):
    async with database.sessions() as session, database.sessions() as other:
        token = await log_in(session, clock)
        mine = await visitor(session, clock, token)
        await session.commit()
        assert await lock_session(session, mine)
        ending = asyncio.create_task(end_session(other, token, at=clock.now()))
        await wait_until_blocked(database.sessions, ending)
        await session.commit()
        assert await ending is not None
        await other.commit()
        assert not await lock_session(session, mine)
