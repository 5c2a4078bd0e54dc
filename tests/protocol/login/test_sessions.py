"""Browser sessions: guards, fixation, limits and logout."""

from datetime import timedelta

import pytest

from machtiging.identity.session import SESSION_COOKIE, SessionLimits
from tests.builders.applications import replace_services
from tests.builders.people import ISSUER, LoginBrowser


async def test_protected_page_without_session_redirects_to_login_and_back(browser):
    response = await browser.get("/ik?x=1")
    assert (response.status_code, response.headers["location"]) == (303, "/inloggen?terug=/ik%3Fx%3D1")


async def test_protected_page_as_json_without_session_returns_401(browser):
    response = await browser.get("/ik", headers={"Accept": "application/json"})
    assert (response.status_code, response.json()["code"]) == (401, "niet_ingelogd")


@pytest.mark.parametrize("token", ["", "verzonnen", "A" * 43, "A" * 5000])
async def test_session_cookie_invented_is_rejected(browser, token):
    response = await browser.get("/ik", headers={"Cookie": f"{SESSION_COOKIE}={token}"})
    assert response.status_code == 303


async def test_operator_page_is_forbidden_for_citizens(login_world, log_in):
    citizen, counter, operator = await log_in("naaste"), await log_in("balie"), await log_in("beheerder")
    assert (await citizen.get("/beheer")).status_code == 403
    assert (await counter.get("/beheer")).status_code == 403
    assert (await operator.get("/beheer")).status_code == 200
    assert (await login_world.browser().get("/beheer")).status_code == 303


async def test_public_page_recognises_the_logged_in_visitor(browser):
    assert (await browser.get("/misschien")).json() == {"name": None}
    await browser.log_in("naaste")
    assert (await browser.get("/misschien")).json() == {"name": "Bram van der Linden"}


async def test_session_fixation_token_planted_before_login_is_invalid_after_it(login_world, log_in, read_journal):
    attacker, victim = await log_in("raadslid"), login_world.browser()
    planted = attacker.token
    victim.http.cookies.set(SESSION_COOKIE, planted, domain="machtigen.test", path="/")
    await victim.log_in("naaste")
    tokens = [cookie.value for cookie in victim.http.cookies.jar if cookie.name == SESSION_COOKIE]
    assert planted not in tokens
    assert (await attacker.get("/ik")).status_code == 303
    assert ("sessie:beeindigd", "opnieuw_ingelogd") in await read_journal()


async def test_login_rotates_session_token_and_csrf_token(log_in):
    browser = await log_in()
    first, first_form = browser.token, (await browser.me())["csrf"]
    await browser.log_in("naaste")
    assert browser.token != first
    assert (await browser.me())["csrf"] != first_form
    assert (await browser.get("/ik", headers={"Cookie": f"{SESSION_COOKIE}={first}"})).status_code == 303


async def test_failed_login_keeps_the_current_session(log_in):
    browser = await log_in("eu-burger")
    before = await browser.me()
    assert (await browser.log_in("eu-burger", niveau="hoog")).status_code == 403
    assert await browser.me() == before


async def test_session_in_another_browser_stays_active(login_world, log_in):
    home, phone = await log_in(), login_world.browser()
    await phone.log_in("naaste")
    assert (await home.me())["session"] != (await phone.me())["session"]


async def test_session_idle_timeout_ends_it(log_in, clock):
    browser = await log_in()
    clock.advance(timedelta(minutes=15))
    assert (await browser.get("/ik")).status_code == 303


async def test_session_absolute_timeout_ends_it(login_world, log_in, clock):
    replace_services(
        login_world.service,
        session_limits=SessionLimits(idle_timeout=timedelta(hours=2), absolute_timeout=timedelta(hours=8)),
    )
    browser = await log_in()
    for _ in range(7):
        clock.advance(timedelta(hours=1))
        await browser.me()
    clock.advance(timedelta(hours=1))
    assert (await browser.get("/ik")).status_code == 303


async def test_logout_ends_session_and_is_journalled(log_in, read_journal):
    browser = await log_in()
    token, form = browser.token, (await browser.me())["csrf"]
    response = await browser.post("/uitloggen", {"csrf": form})
    assert (response.status_code, response.headers["location"]) == (303, "/")
    assert f'{SESSION_COOKIE}=""' in response.headers["set-cookie"]
    assert browser.token is None
    assert (await browser.get("/ik", headers={"Cookie": f"{SESSION_COOKIE}={token}"})).status_code == 303
    assert (await read_journal())[-1] == ("sessie:beeindigd", "uitgelogd")


async def test_csrf_logout_from_other_site_is_rejected(log_in):
    browser = await log_in()
    form = (await browser.me())["csrf"]
    response = await browser.post("/uitloggen", {"csrf": form}, headers={"Origin": "https://kwaad.example"})
    assert response.status_code == 403
    assert (await browser.post("/uitloggen", {})).status_code == 403
    await browser.me()


async def test_logout_without_session_redirects_home(browser):
    response = await browser.post("/uitloggen", {})
    assert (response.status_code, response.headers["location"]) == (303, "/")


async def test_logout_by_get_shows_the_button_and_keeps_the_session(log_in):
    browser = await log_in()
    shown = await browser.get("/uitloggen")
    assert (shown.status_code, "Ja, log mij uit" in shown.text) == (200, True)
    await browser.me()


@pytest.mark.parametrize("where", ["https://kwaad.example", "//kwaad.example", "/\\kwaad.example", "/\t/kwaad.example"])
async def test_open_redirect_after_login_is_blocked(browser, where):
    assert (await browser.log_in("naaste", terug=where)).headers["location"] == "/"


async def test_session_cookie_is_not_shared_with_another_browser(login_world, log_in):
    await log_in()
    assert (await LoginBrowser({ISSUER: login_world.service}).get("/ik")).status_code == 303
