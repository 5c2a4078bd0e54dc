"""Where a login must be new, what the broker remembers from before does not do; and the session keeps its name."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.builders.login import BROKER, query_of
from tests.builders.misbehaving_broker import good_claims


async def come_back(victim, crooked, clock, logged_in: timedelta, **query):
    """Leave, and come back with a login of so long ago."""
    asked = query_of(await victim.leave(**query))
    then = int((clock.now() - logged_in).timestamp())
    crooked.token = crooked.sign(good_claims(clock.now(), asked["nonce"], auth_time=then))
    return await victim.get("/inloggen/terug", params={"code": "c", "state": asked["state"], "iss": BROKER})


async def test_a_login_of_ten_minutes_ago_will_do_as_a_rule(victim, crooked, clock):
    assert (await come_back(victim, crooked, clock, timedelta(minutes=10))).status_code == 303


async def test_a_login_of_ten_minutes_ago_is_no_new_one(victim, crooked, clock, journal):
    response = await come_back(victim, crooked, clock, timedelta(minutes=10), opnieuw="ja")
    assert response.status_code == 400
    assert victim.token is None
    assert (await journal())[-1] == ("login:mislukt", "inloggen_te_lang_geleden")
    # The way on asks for a new login as well.
    assert "opnieuw=ja" in response.text


async def test_a_login_of_just_now_is(victim, crooked, clock):
    assert (await come_back(victim, crooked, clock, timedelta(0), opnieuw="ja")).status_code == 303


@pytest.fixture
def sids(database):
    async def read():
        async with database.sessions() as session:
            rows = await session.execute(text("SELECT sid, ended_at IS NULL AS runs FROM login_session ORDER BY id"))
            return [tuple(row) for row in rows]

    return read


async def test_who_logs_in_again_has_another_session_under_the_same_name_for_apps(log_in, sids):
    browser = await log_in()
    first = await browser.me()
    await browser.log_in("naaste", niveau="hoog")
    second = await browser.me()
    assert first["session"] != second["session"]
    (old, old_runs), (new, new_runs) = await sids()
    assert (old == new, old_runs, new_runs) == (True, False, True)


async def test_somebody_else_in_the_same_browser_gets_a_name_of_her_own(log_in, sids):
    browser = await log_in()
    await browser.log_in("vertegenwoordigde")
    (old, old_runs), (new, new_runs) = await sids()
    assert (old == new, old_runs, new_runs) == (False, False, True)


async def test_the_same_person_in_two_browsers_has_two_names(world, log_in, sids):
    await log_in()
    await world.browser().log_in("naaste")
    assert len({sid for sid, _ in await sids()}) == 2
