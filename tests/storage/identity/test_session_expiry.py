"""Session expiry in the background, and the operator's view of the sessions of one person."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql

from machtiging.identity.people import find_by_bsn, find_or_create_by_bsn
from machtiging.identity.profile_claims import Profile
from machtiging.identity.rules import VerifiedLogin
from machtiging.identity.session import SessionLimits, authenticate_session, lock_session, start_session
from machtiging.identity.session_end import (
    SESSION_EXPIRED,
    end_all_sessions,
    expire_session_batch,
    expiry_condition,
    load_active_sessions,
    require_person,
)
from machtiging.identity.tables import LoginSession
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.errors import NotFound
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import wait_until_blocked
from tests.builders.keys import load_keyring
from tests.builders.rows import JOURNAL_INTAKE, LOGIN_SESSIONS, PERSONS

LIMITS = SessionLimits(idle_timeout=timedelta(minutes=15), absolute_timeout=timedelta(hours=8))
SECOND = timedelta(seconds=1)
BSN_OF_MOTHER, BSN_OF_SON = Bsn("999990019"), Bsn("999990020")


@pytest.fixture
def sessions(database):
    return database.sessions


async def logged_in(sessions, clock, bsn=BSN_OF_MOTHER):
    """Start a session; returns the person and the session token."""
    async with unit_of_work(sessions) as session:
        person = await find_or_create_by_bsn(session, load_keyring(), bsn, at=clock.now())
        login = VerifiedLogin("i", "s", Assurance.HIGH, clock.now(), None, Profile("", None, None), frozenset(), None)
        return person, await start_session(session, person, login, LIMITS, at=clock.now())


async def visits(sessions, clock, token, limits=LIMITS):
    async with unit_of_work(sessions) as session:
        return await authenticate_session(session, load_keyring(), token, limits, at=clock.now())


async def expired(sessions, clock, limits=LIMITS, at_most=100):
    async with unit_of_work(sessions) as session:
        return await expire_session_batch(session, limits, limit=at_most, at=clock.now())


async def read_journal_lines(sessions):
    async with unit_of_work(sessions) as session:
        return await JOURNAL_INTAKE.read(session, act="sessie:beeindigd")


async def test_idle_session_expires_when_its_requests_are_rejected(sessions, clock) -> None:
    person, token = await logged_in(sessions, clock)
    clock.advance(LIMITS.idle_timeout - SECOND)
    assert await expired(sessions, clock) == []
    clock.advance(SECOND)
    [over] = await expired(sessions, clock)
    assert over.person_id == person
    assert await visits(sessions, clock, token) is None


async def test_active_session_expires_at_its_absolute_timeout(sessions, clock) -> None:
    _, token = await logged_in(sessions, clock)
    busy = LIMITS.idle_timeout - SECOND
    for _ in range(LIMITS.absolute_timeout // busy):
        clock.advance(busy)
        assert await visits(sessions, clock, token)
        assert await expired(sessions, clock) == []
    clock.advance(LIMITS.absolute_timeout % busy)
    assert await visits(sessions, clock, token) is None
    assert len(await expired(sessions, clock)) == 1


async def test_shorter_timeouts_apply_to_existing_sessions(sessions, clock) -> None:
    _, token = await logged_in(sessions, clock)
    shorter = SessionLimits(idle_timeout=LIMITS.idle_timeout, absolute_timeout=timedelta(minutes=5))
    clock.advance(timedelta(minutes=5))
    assert await visits(sessions, clock, token, shorter) is None
    assert len(await expired(sessions, clock, shorter)) == 1


async def test_concurrent_expiry_ends_session_once_and_is_journalled(sessions, clock) -> None:
    person, _ = await logged_in(sessions, clock)
    clock.advance(LIMITS.idle_timeout)
    found = await asyncio.gather(*(expired(sessions, clock) for _ in range(4)))
    assert sum(map(len, found)) == 1
    [line] = await read_journal_lines(sessions)
    assert (line.reason, line.actor_id, line.for_person_id) == (SESSION_EXPIRED, person, None)


async def test_expiry_batch_is_limited(sessions, clock) -> None:
    for _ in range(3):
        await logged_in(sessions, clock)
    clock.advance(LIMITS.idle_timeout)
    assert [len(await expired(sessions, clock, at_most=2)) for _ in range(3)] == [2, 1, 0]


async def test_expiry_skips_locked_session(sessions, clock) -> None:
    _, token = await logged_in(sessions, clock)
    visitor = await visits(sessions, clock, token)
    clock.advance(LIMITS.idle_timeout)
    async with unit_of_work(sessions) as busy:
        assert await lock_session(busy, visitor)
        assert await expired(sessions, clock) == []
    assert len(await expired(sessions, clock)) == 1


async def test_operator_session_view_has_times_and_no_secret(sessions, clock) -> None:
    person, token = await logged_in(sessions, clock)
    began = clock.now()
    clock.advance(timedelta(minutes=10))
    await visits(sessions, clock, token)
    await logged_in(sessions, clock, BSN_OF_SON)
    async with unit_of_work(sessions) as session:
        [shown] = await load_active_sessions(session, person, LIMITS, at=clock.now())
        row = (await LOGIN_SESSIONS.read(session, order_by="created_at"))[0]
    assert (shown.started_at, shown.last_seen_at) == (began, clock.now())
    assert (shown.idle_expires_at, shown.expires_at) == (
        clock.now() + LIMITS.idle_timeout,
        began + LIMITS.absolute_timeout,
    )
    for secret in (token, row.csrf_token, row.token_hash.hex(), str(row.id), str(row.sid)):
        assert secret not in str(shown)


async def test_operator_session_view_omits_ended_and_expired_sessions(sessions, clock) -> None:
    person, _ = await logged_in(sessions, clock)
    clock.advance(LIMITS.idle_timeout)
    async with unit_of_work(sessions) as session:
        assert await load_active_sessions(session, person, LIMITS, at=clock.now()) == []
        await end_all_sessions(session, person, at=clock.now())
        assert await load_active_sessions(session, person, LIMITS, at=clock.now()) == []


async def test_ending_sessions_of_one_person_keeps_those_of_others(sessions, clock) -> None:
    person, first = await logged_in(sessions, clock)
    _, second = await logged_in(sessions, clock)
    _, his = await logged_in(sessions, clock, BSN_OF_SON)
    async with unit_of_work(sessions) as session:
        assert len(await end_all_sessions(session, person, at=clock.now())) == 2
        assert await end_all_sessions(session, person, at=clock.now()) == []
    assert [await visits(sessions, clock, token) for token in (first, second)] == [None, None]
    assert await visits(sessions, clock, his)


async def test_ending_sessions_waits_for_session_share_lock(sessions, clock) -> None:
    person, token = await logged_in(sessions, clock)
    visitor = await visits(sessions, clock, token)

    async def ending():
        async with unit_of_work(sessions) as session:
            return await end_all_sessions(session, person, at=clock.now())

    async with unit_of_work(sessions) as consenting:
        assert await lock_session(consenting, visitor)
        task = asyncio.create_task(ending())
        await wait_until_blocked(sessions, task)
    assert len(await task) == 1


async def test_person_lookup_by_bsn_creates_no_person(sessions, clock) -> None:
    person, _ = await logged_in(sessions, clock)
    async with unit_of_work(sessions) as session:
        assert await find_by_bsn(session, load_keyring(), BSN_OF_MOTHER) == await require_person(session, person)
        for looking in (find_by_bsn(session, load_keyring(), BSN_OF_SON), require_person(session, uuid4())):
            with pytest.raises(NotFound, match="persoon_onbekend"):
                await looking
        assert await PERSONS.count(session) == 1


MANY_THAT_ENDED = text(
    "INSERT INTO login_session (id, token_hash, person_id, assurance, roles, csrf_token, authenticated_at, created_at,"
    " last_seen_at, expires_at, ended_at) SELECT gen_random_uuid(), sha256(n::text::bytea), person_id, assurance,"
    " roles, csrf_token, authenticated_at, created_at, last_seen_at, expires_at, created_at"
    " FROM login_session, generate_series(1, 5000) AS n"
)


async def test_expiry_query_uses_an_index(database, sessions, clock):
    await logged_in(sessions, clock)
    async with unit_of_work(sessions) as session:
        await session.execute(MANY_THAT_ENDED)
    connection = await asyncpg.connect(database.url)
    await connection.execute("VACUUM ANALYZE login_session")
    await connection.close()
    looking = select(LoginSession.id).where(LoginSession.ended_at.is_(None), expiry_condition(LIMITS, clock.now()))
    said = looking.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    async with unit_of_work(sessions) as session:
        plan = "\n".join(await session.scalars(text(f"EXPLAIN {said}")))
    assert "Index Scan using ix_login_session_" in plan or "Bitmap Index Scan on ix_login_session_" in plan
    assert "Seq Scan" not in plan
