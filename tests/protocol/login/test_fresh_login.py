"""Fresh login (`opnieuw`): an old authentication at the broker is refused. The `sid` is per person and browser."""

from datetime import timedelta

import pytest

from tests.builders.messages import read_query
from tests.builders.people import BROKER
from tests.builders.rows import LOGIN_SESSIONS
from tests.protocol.login.misbehaving_broker import make_login_claims


async def come_back(browser_at_bad_broker, bad_broker, clock, logged_in: timedelta, **query):
    """Log in with a broker authentication of this age."""
    asked = read_query(await browser_at_bad_broker.leave(**query))
    then = int((clock.now() - logged_in).timestamp())
    bad_broker.token = bad_broker.sign(make_login_claims(clock.now(), asked["nonce"], auth_time=then))
    return await browser_at_bad_broker.get(
        "/inloggen/terug", params={"code": "c", "state": asked["state"], "iss": BROKER}
    )


async def test_login_with_broker_authentication_of_ten_minutes_ago_is_accepted(
    browser_at_bad_broker, bad_broker, clock
):
    assert (await come_back(browser_at_bad_broker, bad_broker, clock, timedelta(minutes=10))).status_code == 303


async def test_fresh_login_with_broker_authentication_of_ten_minutes_ago_is_rejected(
    browser_at_bad_broker, bad_broker, clock, read_journal
):
    response = await come_back(browser_at_bad_broker, bad_broker, clock, timedelta(minutes=10), opnieuw="ja")
    assert response.status_code == 400
    assert browser_at_bad_broker.token is None
    assert (await read_journal())[-1] == ("login:mislukt", "inloggen_te_lang_geleden")
    # the retry link asks for a fresh login too
    assert "opnieuw=ja" in response.text


async def test_fresh_login_with_new_broker_authentication_is_accepted(browser_at_bad_broker, bad_broker, clock):
    assert (await come_back(browser_at_bad_broker, bad_broker, clock, timedelta(0), opnieuw="ja")).status_code == 303


@pytest.fixture
def read_sids(database):
    """A reader of each `sid`, and whether its session runs."""

    async def read():
        return [(row.sid, row.ended_at is None) for row in await LOGIN_SESSIONS.read(database, order_by="id")]

    return read


async def test_repeated_login_gets_new_session_with_the_same_sid(log_in, read_sids):
    browser = await log_in()
    first = await browser.me()
    await browser.log_in("naaste", niveau="hoog")
    second = await browser.me()
    assert first["session"] != second["session"]
    (old, old_runs), (new, new_runs) = await read_sids()
    assert (old == new, old_runs, new_runs) == (True, False, True)


async def test_login_by_another_person_in_the_same_browser_gets_another_sid(log_in, read_sids):
    browser = await log_in()
    await browser.log_in("vertegenwoordigde")
    (old, old_runs), (new, new_runs) = await read_sids()
    assert (old == new, old_runs, new_runs) == (False, False, True)


async def test_login_of_same_person_in_two_browsers_gets_two_sids(login_world, log_in, read_sids):
    await log_in()
    await login_world.browser().log_in("naaste")
    assert len({sid for sid, _ in await read_sids()}) == 2
