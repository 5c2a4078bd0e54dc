"""The session as a browser meets it: doors, fixation, limits, logging out."""

from datetime import timedelta

import pytest

from machtiging.identity.session import COOKIE
from tests.builders.login import ISSUER, Browser


async def test_a_closed_page_sends_a_stranger_to_the_login_and_back(browser):
    response = await browser.get("/ik?x=1")
    assert (response.status_code, response.headers["location"]) == (303, "/inloggen?terug=/ik%3Fx%3D1")


async def test_a_program_that_is_not_logged_in_gets_401(browser):
    response = await browser.get("/ik", headers={"Accept": "application/json"})
    assert (response.status_code, response.json()["code"]) == (401, "niet_ingelogd")


@pytest.mark.parametrize("token", ["", "verzonnen", "A" * 43, "A" * 5000])
async def test_a_made_up_cookie_opens_nothing(browser, token):
    response = await browser.get("/ik", headers={"Cookie": f"{COOKIE}={token}"})
    assert response.status_code == 303


async def test_a_page_for_operators_is_closed_to_citizens(world):
    citizen, operator, counter = world.browser(), world.browser(), world.browser()
    await citizen.log_in("naaste")
    await counter.log_in("balie")
    await operator.log_in("beheerder")
    assert (await citizen.get("/beheer")).status_code == 403
    assert (await counter.get("/beheer")).status_code == 403
    assert (await operator.get("/beheer")).status_code == 200
    assert (await world.browser().get("/beheer")).status_code == 303


async def test_a_page_for_all_knows_its_visitor_when_there_is_one(browser):
    assert (await browser.get("/misschien")).json() == {"name": None}
    await browser.log_in("naaste")
    assert (await browser.get("/misschien")).json() == {"name": "Bram van der Linden"}


async def test_session_fixation_a_token_planted_before_the_login_is_worth_nothing_after_it(world, journal):
    attacker, victim = world.browser(), world.browser()
    await attacker.log_in("raadslid")
    planted = attacker.token
    victim.http.cookies.set(COOKIE, planted, domain="machtigen.test", path="/")
    await victim.log_in("naaste")
    tokens = [cookie.value for cookie in victim.http.cookies.jar if cookie.name == COOKIE]
    assert planted not in tokens
    assert (await attacker.get("/ik")).status_code == 303
    assert ("sessie:beeindigd", "opnieuw_ingelogd") in await journal()


async def test_every_login_gives_a_new_token_and_a_new_form_token(browser):
    await browser.log_in("naaste")
    first, first_form = browser.token, (await browser.me())["csrf"]
    await browser.log_in("naaste")
    assert browser.token != first
    assert (await browser.me())["csrf"] != first_form
    assert (await browser.get("/ik", headers={"Cookie": f"{COOKIE}={first}"})).status_code == 303


async def test_a_failed_login_leaves_the_running_session_as_it_was(browser):
    await browser.log_in("eu-burger")
    before = await browser.me()
    assert (await browser.log_in("eu-burger", niveau="hoog")).status_code == 403
    assert await browser.me() == before


async def test_a_session_at_another_browser_goes_on(world):
    home, phone = world.browser(), world.browser()
    await home.log_in("naaste")
    await phone.log_in("naaste")
    await home.me()
    await phone.me()


async def test_a_quiet_session_ends(browser, clock):
    await browser.log_in("naaste")
    clock.advance(timedelta(minutes=15))
    assert (await browser.get("/ik")).status_code == 303


async def test_a_busy_session_ends_after_a_working_day(browser, clock):
    await browser.log_in("naaste")
    for _ in range(47):
        clock.advance(timedelta(minutes=10))
        await browser.me()
    clock.advance(timedelta(minutes=10))
    assert (await browser.get("/ik")).status_code == 303


async def test_logging_out_ends_the_session_on_our_side_too(browser, journal):
    await browser.log_in("naaste")
    token, form = browser.token, (await browser.me())["csrf"]
    response = await browser.post("/uitloggen", {"csrf": form})
    assert (response.status_code, response.headers["location"]) == (303, "/")
    assert f'{COOKIE}=""' in response.headers["set-cookie"]
    assert browser.token is None
    assert (await browser.get("/ik", headers={"Cookie": f"{COOKIE}={token}"})).status_code == 303
    assert (await journal())[-1] == ("sessie:beeindigd", "uitgelogd")


async def test_another_site_cannot_log_somebody_out(browser):
    await browser.log_in("naaste")
    form = (await browser.me())["csrf"]
    response = await browser.post("/uitloggen", {"csrf": form}, headers={"Origin": "https://kwaad.example"})
    assert response.status_code == 403
    assert (await browser.post("/uitloggen", {})).status_code == 403
    await browser.me()


async def test_logging_out_without_a_session_goes_home(browser):
    response = await browser.post("/uitloggen", {})
    assert (response.status_code, response.headers["location"]) == (303, "/")


async def test_logging_out_by_a_link_does_not_exist(browser):
    await browser.log_in("naaste")
    assert (await browser.get("/uitloggen")).status_code == 405
    await browser.me()


@pytest.mark.parametrize("where", ["https://kwaad.example", "//kwaad.example", "/\\kwaad.example", "/\t/kwaad.example"])
async def test_after_login_nobody_lands_on_another_site(browser, where):
    assert (await browser.log_in("naaste", terug=where)).headers["location"] == "/"


async def test_a_browser_that_is_not_ours_shares_nothing(world):
    ours = world.browser()
    await ours.log_in("naaste")
    assert (await Browser({ISSUER: world.service}).get("/ik")).status_code == 303
