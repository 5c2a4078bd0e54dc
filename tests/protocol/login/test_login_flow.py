"""The login flow through both applications: authorization request, stand-in broker, callback, session."""

import pytest

from machtiging.identity import login_attempts
from machtiging.identity.session import SESSION_COOKIE
from machtiging.simulators.personas import PERSONAS
from tests.builders.applications import replace_services
from tests.builders.messages import read_query
from tests.builders.people import BROKER, CLIENT_ID, ISSUER
from tests.builders.rows import JOURNAL_INTAKE, PERSONS


async def test_login_returns_to_the_requested_page_with_a_session(browser):
    landed = await browser.log_in("naaste", terug="/machtigingen?van=mij")
    assert (landed.status_code, landed.headers["location"]) == (303, "/machtigingen?van=mij")
    me = await browser.me()
    assert (me["name"], me["assurance"], me["roles"], me["kvk"]) == ("Bram van der Linden", "substantieel", [], None)


async def test_login_request_to_broker_has_pkce_state_nonce_and_no_secret(browser):
    url = await browser.leave("naaste", niveau="hoog")
    asked = read_query(url)
    assert url.startswith(BROKER + "/authorize?")
    assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
    assert asked["redirect_uri"] == ISSUER + "/inloggen/terug"
    assert (asked["code_challenge_method"], len(asked["code_challenge"])) == ("S256", 43)
    assert asked["acr_values"] == "http://eidas.europa.eu/LoA/high"
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    assert "code_verifier" not in asked


async def test_session_cookies_are_host_only_and_http_only(browser):
    left = await browser.get("/inloggen", params={"login_hint": "naaste"})
    callback = await browser.get(left.headers["location"])
    landed = await browser.get(callback.headers["location"])
    for response, name in ((left, login_attempts.LOGIN_COOKIE), (landed, SESSION_COOKIE)):
        cookie = response.headers["set-cookie"]
        assert cookie.startswith(f"{name}=")
        assert name.startswith("__Host-")
        flags = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= flags
        assert not any(flag.startswith("domain") for flag in flags)
    assert "max-age" not in landed.headers["set-cookie"].lower()


@pytest.mark.parametrize("persona", PERSONAS.values(), ids=PERSONAS.keys())
async def test_login_of_each_persona_has_its_name_and_roles(browser, persona):
    await browser.log_in(persona.key)
    me = await browser.me()
    assert (me["name"], me["kvk"], me["roles"]) == (persona.name, persona.kvk, sorted(persona.roles))


async def test_repeated_login_is_the_same_person(login_world, database):
    first, second = login_world.browser(), login_world.browser()
    await first.log_in("eu-burger")
    await second.log_in("eu-burger")
    assert (await first.me())["person"] == (await second.me())["person"]
    await second.log_in("naaste")
    assert (await first.me())["person"] != (await second.me())["person"]
    async with database.sessions() as session:
        assert await PERSONS.count(session) == 2


@pytest.mark.parametrize("level", ["laag", "substantieel", "hoog"])
async def test_login_at_requested_assurance_sets_session_assurance(browser, level):
    await browser.log_in("naaste", niveau=level)
    assert (await browser.me())["assurance"] == level


async def test_login_at_unknown_assurance_is_rejected(browser):
    response = await browser.get("/inloggen", params={"niveau": "torenhoog"})
    assert response.status_code == 400


async def test_login_below_requested_assurance_is_rejected_and_journalled(browser, read_journal):
    response = await browser.log_in("eu-burger", niveau="hoog", terug="/machtigingen")
    assert response.status_code == 403
    assert "U moet veiliger inloggen" in response.text
    assert "/inloggen?terug=/machtigingen&amp;niveau=hoog" in response.text
    assert browser.token is None
    assert ("login:mislukt", "niveau_te_laag") in await read_journal()


async def test_downgrade_login_at_lower_assurance_at_broker_is_rejected(browser):
    callback = await browser.get(await browser.leave("naaste") + "&niveau=laag")
    response = await browser.get(callback.headers["location"])
    assert response.status_code == 403
    assert browser.token is None


async def test_login_cancelled_returns_to_the_start_and_is_not_journalled(browser, read_journal):
    stopped = await browser.get(await browser.leave("naaste") + "&annuleren=ja")
    assert read_query(stopped.headers["location"])["error"] == "access_denied"
    response = await browser.get(stopped.headers["location"])
    assert response.status_code == 200
    assert "U bent gestopt met inloggen" in response.text
    assert browser.token is None
    assert await read_journal() == []  # anyone can start and cancel a login


async def test_login_without_hint_shows_persona_page(browser):
    page = await browser.get((await browser.get("/inloggen")).headers["location"])
    assert page.status_code == 200
    assert "OEFENOMGEVING: dit is geen DigiD" in page.text


async def test_login_hint_in_production_is_dropped(login_world, browser):
    replace_services(login_world.service, practice=False)
    assert "login_hint" not in read_query(await browser.leave("naaste"))


async def test_concurrent_logins_in_two_tabs_both_succeed(browser):
    one, other = await browser.to_callback(terug="/een"), await browser.to_callback(terug="/twee")
    assert (await browser.get(one)).headers["location"] == "/een"
    assert (await browser.get(other)).headers["location"] == "/twee"
    await browser.me()


async def test_login_is_journalled_without_personal_data(browser, database):
    await browser.log_in("naaste")
    line = await JOURNAL_INTAKE.dump(database)
    assert "login:gelukt" in line
    for secret in ("999990020", "Bram", "oefenpersoon", "post.example"):
        assert secret not in line


async def test_login_below_requested_assurance_explains_how_to_log_in_more_safely(browser):
    response = await browser.log_in("eu-burger", niveau="hoog")
    assert "Kies in de app: ID-check." in response.text
    assert 'href="/hulp"' in response.text
    assert "niveau_te_laag" not in response.text


@pytest.mark.parametrize(("accept", "title"), [("nl", "U bent gestopt met inloggen"), ("en", "You stopped logging in")])
async def test_login_failure_and_request_to_broker_follow_accept_language(browser, accept, title):
    headers = {"Accept-Language": accept}
    left = await browser.get("/inloggen", headers=headers)
    assert read_query(left.headers["location"])["ui_locales"] == accept
    stopped = await browser.get(left.headers["location"] + "&annuleren=ja")
    response = await browser.get(stopped.headers["location"], headers=headers)
    assert f"<h1>{title}</h1>" in response.text


@pytest.mark.parametrize(("accept", "button"), [("nl", "Ja, log mij uit"), ("en", "Yes, log me out")])
async def test_logout_address_that_is_typed_shows_a_button(browser, accept, button):
    await browser.log_in("naaste")
    page = await browser.get("/uitloggen", headers={"Accept-Language": accept})
    assert page.status_code == 200
    assert button in page.text.split('action="/uitloggen"')[-1]
