"""Login attempts: usable once, in time, by the browser that began them."""

import asyncio
from datetime import timedelta

import pytest

from machtiging.identity.errors import LoginFailed
from machtiging.identity.login_attempts import (
    ATTEMPT_LIFETIME,
    EXPIRED_ATTEMPTS,
    consume_login_attempt,
    create_login_attempt,
)
from machtiging.identity.rules import LoginRequest
from machtiging.kernel.assurance import Assurance
from machtiging.storage.sweep import Sweep
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.rows import LOGIN_ATTEMPTS

LEVEL = Assurance.SUBSTANTIAL


async def failure_code(session, state, browser, at) -> str:
    with pytest.raises(LoginFailed) as refusal:
        await consume_login_attempt(session, state, browser, at=at)
    return refusal.value.code


async def test_login_attempt_is_returned_unchanged(session, clock):
    begun = await create_login_attempt(
        session, "browser", LoginRequest("/machtigingen", Assurance.HIGH, None, reauthenticate=True), at=clock.now()
    )
    assert await consume_login_attempt(session, begun.state, "browser", at=clock.now()) == begun.pending
    assert begun.pending.requested is Assurance.HIGH


async def test_state_and_browser_cookie_are_stored_as_hashes(session, clock):
    begun = await create_login_attempt(
        session, "dit-is-het-koekje", LoginRequest("/", LEVEL, None, reauthenticate=True), at=clock.now()
    )
    assert await LOGIN_ATTEMPTS.count(session) == 1
    row = await LOGIN_ATTEMPTS.dump(session)
    assert begun.state not in row
    assert "dit-is-het-koekje" not in row


async def test_login_attempt_replay_is_rejected(session, clock):
    begun = await create_login_attempt(
        session, "browser", LoginRequest("/", LEVEL, None, reauthenticate=True), at=clock.now()
    )
    await consume_login_attempt(session, begun.state, "browser", at=clock.now())
    assert await failure_code(session, begun.state, "browser", clock.now()) == "inlogpoging_onbekend"


@pytest.mark.parametrize("browser", [None, "", "een andere"])
async def test_login_csrf_from_another_browser_is_rejected_and_consumes_the_attempt(session, clock, browser):
    begun = await create_login_attempt(
        session, "browser", LoginRequest("/", LEVEL, None, reauthenticate=True), at=clock.now()
    )
    assert await failure_code(session, begun.state, browser, clock.now()) == "andere_browser"
    assert await failure_code(session, begun.state, "browser", clock.now()) == "inlogpoging_onbekend"


@pytest.mark.parametrize("state", ["", "verzonnen", "\x00", "a" * 5000])
async def test_forged_state_is_rejected(session, clock, state):
    await create_login_attempt(session, "browser", LoginRequest("/", LEVEL, None, reauthenticate=True), at=clock.now())
    assert await failure_code(session, state, "browser", clock.now()) == "inlogpoging_onbekend"


async def test_login_attempt_expires_after_ten_minutes(session, clock):
    in_time = await create_login_attempt(
        session, "browser", LoginRequest("/", LEVEL, None, reauthenticate=True), at=clock.now()
    )
    late = await create_login_attempt(
        session, "browser", LoginRequest("/", LEVEL, None, reauthenticate=True), at=clock.now()
    )
    clock.advance(ATTEMPT_LIFETIME - timedelta(seconds=1))
    await consume_login_attempt(session, in_time.state, "browser", at=clock.now())
    clock.advance(timedelta(seconds=1))
    assert await failure_code(session, late.state, "browser", clock.now()) == "inlogpoging_verlopen"


async def test_concurrent_callbacks_consume_login_attempt_once(database, clock):
    async with unit_of_work(database.sessions) as session:
        begun = await create_login_attempt(
            session, "browser", LoginRequest("/", LEVEL, None, reauthenticate=True), at=clock.now()
        )

    async def one() -> str:
        try:
            async with unit_of_work(database.sessions) as session:
                await consume_login_attempt(session, begun.state, "browser", at=clock.now())
        except LoginFailed as refusal:
            return refusal.code
        return "gelukt"

    outcomes = sorted(await asyncio.gather(*(one() for _ in range(5))))
    assert outcomes == ["gelukt", *["inlogpoging_onbekend"] * 4]


async def test_expired_login_attempts_are_deleted(session, clock):
    for _ in range(3):
        await create_login_attempt(
            session, "browser", LoginRequest("/", LEVEL, None, reauthenticate=True), at=clock.now()
        )
    clock.advance(ATTEMPT_LIFETIME + timedelta(seconds=1))
    await create_login_attempt(session, "browser", LoginRequest("/", LEVEL, None, reauthenticate=True), at=clock.now())
    assert await Sweep(EXPIRED_ATTEMPTS)(session, at=clock.now()) == 3
    assert await LOGIN_ATTEMPTS.count(session) == 1
