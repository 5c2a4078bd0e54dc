"""The end of the session on each page, and "stay logged in" (WCAG 2.2.1). No page promises more than is so."""

import re
from datetime import timedelta

import pytest

from machtiging.identity.rules import SessionLimits
from machtiging.identity.session_end import end_all_sessions
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import replace_services
from tests.builders.people import ISSUER

PAGE = "/blijf-ingelogd"
JSON = {"Accept": "application/json", "Origin": ISSUER}


@pytest.fixture(autouse=True)
def portal_at_quarter_past_two(portal):
    """A portal at 14.15 in Amsterdam. A session ends after fifteen idle minutes or an hour."""
    now = portal.clock.now()
    portal.clock.advance(now.replace(hour=13, minute=15, second=0, microsecond=0) - now)
    limits = SessionLimits(idle_timeout=timedelta(minutes=15), absolute_timeout=timedelta(hours=1))
    replace_services(portal.app, session_limits=limits)


def read_end_time(page) -> str:
    return re.search(r"U blijft ingelogd tot (\d\d\.\d\d) uur", page.text)[1]


async def extend(portal, browser, csrf, headers=JSON):
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies[ISSUER].items())
    return await portal.http.post(ISSUER + PAGE, data={"csrf": csrf}, headers={**headers, "Cookie": cookies})


async def csrf_of(browser) -> str:
    return (await browser.open_page(ISSUER + PAGE)).find_form(PAGE).values["csrf"]


async def test_every_page_of_a_visitor_says_until_when_the_login_lasts(portal):
    mother = await portal.mother()
    for path in ("/", "/apps", "/aan-de-balie", PAGE):
        assert read_end_time(await mother.open_page(ISSUER + path)) == "14.30"


async def test_page_without_login_says_nothing_about_a_session(portal):
    response = await portal.http.get(ISSUER + "/", headers={"Accept": "text/html"})
    assert "ingelogd-tot" not in response.text


async def test_shown_end_is_the_recorded_one_within_the_same_minute(portal):
    mother = await portal.mother()
    portal.clock.advance(timedelta(seconds=59))
    assert read_end_time(await mother.open_page(ISSUER + PAGE)) == "14.30"
    portal.clock.advance(timedelta(minutes=14))
    assert mother.cookies[ISSUER]
    await mother.open_page(ISSUER + PAGE)
    assert mother.status == 200


async def test_shown_end_is_rounded_down(portal):
    portal.clock.advance(timedelta(seconds=59))
    mother = await portal.mother()
    assert read_end_time(await mother.open_page(ISSUER + PAGE)) == "14.30"


async def test_extension_by_script_moves_the_end_at_once(portal):
    mother = await portal.mother()
    csrf = await csrf_of(mother)
    portal.clock.advance(timedelta(seconds=30))
    told = (await extend(portal, mother, csrf)).json()
    assert told == {"seconds": 900, "mayExtend": True, "sentence": "U blijft ingelogd tot 14.30 uur."}
    portal.clock.advance(timedelta(minutes=14, seconds=59))
    assert (await extend(portal, mother, csrf)).json()["seconds"] == 900
    portal.clock.advance(timedelta(minutes=14, seconds=59))
    await mother.open_page(ISSUER + PAGE)


async def test_extension_never_passes_the_absolute_timeout(portal):
    mother = await portal.mother()
    csrf = await csrf_of(mother)
    for _ in range(4):
        portal.clock.advance(timedelta(minutes=14))
        told = (await extend(portal, mother, csrf)).json()
    assert told == {"seconds": 240, "mayExtend": False, "sentence": "U blijft ingelogd tot 15.15 uur."}
    page = await mother.open_page(ISSUER + "/")
    assert "Om 15.15 uur moet u opnieuw inloggen." in page.text
    assert not any(form.action == PAGE for form in page.forms)
    portal.clock.advance(timedelta(minutes=4))
    assert (await extend(portal, mother, csrf)).status_code == 401


async def test_extension_by_form_shows_the_page_with_the_new_end(portal):
    mother = await portal.mother()
    form = (await mother.open_page(ISSUER + "/")).find_form(PAGE)
    portal.clock.advance(timedelta(minutes=10))
    page = await mother.submit_form(form, {})
    assert mother.url == ISSUER + PAGE
    assert read_end_time(page) == "14.40"


async def test_extension_follows_the_language_of_the_request(portal):
    mother = await portal.mother()
    told = (await extend(portal, mother, await csrf_of(mother), {**JSON, "Accept-Language": "en"})).json()
    assert told["sentence"] == "You stay logged in until 14:30."


@pytest.mark.parametrize("minutes", [15, 60])
async def test_extension_of_ended_session_is_refused(portal, minutes):
    mother = await portal.mother()
    csrf = await csrf_of(mother)
    portal.clock.advance(timedelta(minutes=minutes))
    response = await extend(portal, mother, csrf)
    assert (response.status_code, response.json()["code"]) == (401, "niet_ingelogd")


async def test_extension_of_session_ended_by_operator_is_refused(portal):
    mother = await portal.mother()
    csrf = await csrf_of(mother)
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await end_all_sessions(session, portal.people.mother, at=portal.clock.now())
    assert (await extend(portal, mother, csrf)).status_code == 401


@pytest.mark.parametrize(
    ("csrf", "headers"),
    [
        ("", JSON),
        ("A" * 43, JSON),
        (None, {"Accept": "application/json", "Origin": "https://kwaad.example"}),
        (None, {"Accept": "application/json"}),
    ],
)
async def test_csrf_extension_from_other_site_or_without_token_is_refused(portal, csrf, headers):
    mother = await portal.mother()
    own = await csrf_of(mother)
    response = await extend(portal, mother, own if csrf is None else csrf, headers)
    assert (response.status_code, response.json()["code"]) == (403, "formulier_verlopen")


async def test_extension_page_without_login_leads_to_the_login(portal):
    response = await portal.http.get(ISSUER + PAGE, headers={"Accept": "text/html"})
    assert (response.status_code, response.headers["location"]) == (303, "/inloggen?terug=/blijf-ingelogd")


async def test_error_page_after_a_fault_promises_no_end(portal, monkeypatch):
    mother = await portal.mother()

    async def fail(*_, **__):
        raise ValueError

    monkeypatch.setattr("machtiging.portal.start.load_waiting_notices", fail)
    page = await mother.open_page(ISSUER + "/", expected_status=500)
    assert "ingelogd tot" not in page.text
