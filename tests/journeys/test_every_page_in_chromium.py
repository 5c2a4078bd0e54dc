"""Every page in Chromium: accessible, bilingual, and no wider than the screen."""

from __future__ import annotations

import pytest

from tests.journeys.site_walk import find_axe_violations, find_small_targets, page_overflow, walk
from tests.journeys.test_portal_in_chromium import accept, choose_letters, fill_reading, press, start_offer
from tests.parties.npm_packages import needs_packages

pytestmark = [pytest.mark.browser, pytest.mark.long]
PERSONAS = [
    None,
    "vertegenwoordigde",
    "naaste",
    "raadslid",
    "beheerder",
    "auditor",
    "bestuurder",
    "toezichthouder",
    "controleur",
]
# Where the start page leads who works.
STARTS = {
    "raadslid": "/werk",
    "bestuurder": "/bedrijf",
    "toezichthouder": "/organisatie/toezicht",
    "controleur": "/controle",
}
THEMES = {
    "light": {"color_scheme": "light", "forced_colors": "none", "media": "screen"},
    "dark": {"color_scheme": "dark", "forced_colors": "none", "media": "screen"},
    "forced colours": {"color_scheme": "light", "forced_colors": "active", "media": "screen"},
    "print": {"color_scheme": "light", "forced_colors": "none", "media": "print"},
}
# A phone, and a screen of 1,280 pixels at 400 % (WCAG 1.4.10).
NARROW_SCREENS = [(375, 812), (320, 256)]


@pytest.fixture
def open_context(chromium):
    """Opens windows with these settings; they are closed after the test."""
    opened = []

    def open_one(**settings):
        context = chromium.new_context(**{"locale": "nl-NL", "viewport": {"width": 1280, "height": 900}, **settings})
        context.set_default_timeout(60_000)
        opened.append(context)
        return context.new_page()

    yield open_one
    for context in opened:
        context.close()


def log_in_as(page, running_demo, persona: str | None) -> None:
    if persona is not None:
        page.goto(f"{running_demo.url}/inloggen?login_hint={persona}")
        assert page.url.startswith(running_demo.url)


@pytest.mark.parametrize("persona", PERSONAS)
def test_every_page_has_no_axe_violation_in_four_themes(open_context, running_demo, persona):
    needs_packages()
    page = open_context()
    log_in_as(page, running_demo, persona)
    found, seen = [], []
    for url in walk(page, running_demo.url + "/"):
        seen.append(url)
        for name, theme in THEMES.items():
            page.emulate_media(**theme)
            found += [f"{url} in {name}: {one}" for one in find_axe_violations(page)]
        page.emulate_media(**THEMES["light"])
    assert len(seen) > (2 if persona is None else 8)
    assert found == []


@pytest.mark.parametrize("persona", PERSONAS)
def test_every_page_in_english_names_its_language_and_has_no_axe_violation(open_context, running_demo, persona):
    needs_packages()
    page = open_context(locale="en-GB")
    log_in_as(page, running_demo, persona)
    found = []
    for url in walk(page, running_demo.url + "/"):
        assert page.locator("html").get_attribute("lang") == "en", url
        found += [f"{url}: {one}" for one in find_axe_violations(page)]
    assert found == []


@pytest.mark.parametrize("persona", PERSONAS)
@pytest.mark.parametrize(("width", "height"), NARROW_SCREENS)
def test_every_page_on_a_narrow_screen_fits_and_has_large_targets(open_context, running_demo, persona, width, height):
    page = open_context(viewport={"width": width, "height": height})
    log_in_as(page, running_demo, persona)
    wide, small = [], []
    for url in walk(page, running_demo.url + "/"):
        if page_overflow(page) > 0:
            wide.append(f"{url}: {page_overflow(page)} px")
        small += [f"{url}: {one}" for one in find_small_targets(page)]
        assert page.locator("h1").count() == 1, url
    assert wide == []
    assert small == []


def test_every_step_of_a_machtiging_fits_a_phone_and_has_no_axe_violation(open_context, running_demo):
    needs_packages()
    page = open_context(viewport={"width": 320, "height": 640})
    found: list[str] = []

    def check() -> None:
        title = page.inner_text("h1")
        if page_overflow(page) > 0:
            found.append(f"{title}: {page_overflow(page)} px too wide")
        found.extend(f"{title}: {one}" for one in find_small_targets(page) + find_axe_violations(page))

    log_in_as(page, running_demo, "vertegenwoordigde")
    page.goto(running_demo.url + "/helpers/nieuw")
    press(page, "Verder")
    check()  # with faults
    start_offer(page, running_demo)
    check()
    choose_letters(page, look=check)
    check()
    fill_reading(page, past_year=True)
    check()
    page.get_by_label("30 dagen").check()
    press(page, "Verder")
    check()
    press(page, "Ja, maak de machtiging")
    check()
    code = page.inner_text("output.m-code")
    log_in_as(page, running_demo, "naaste")
    accept(page, running_demo, "0000-0000-00")
    check()  # with a wrong code
    accept(page, running_demo, code)
    check()
    press(page, "Ja, ik neem de machtiging aan")
    check()
    agreement = page.url.partition("?")[0]
    page.goto(agreement + "/teruggeven")
    check()
    log_in_as(page, running_demo, "vertegenwoordigde")
    for ending in ("", "/beperken", "/verlengen", "/intrekken"):
        page.goto(agreement.replace("/ik-help/", "/helpers/") + ending)
        check()
    assert found == []


def test_content_of_every_page_begins_high_on_a_phone(open_context, running_demo):
    page = open_context(viewport={"width": 375, "height": 812})
    log_in_as(page, running_demo, "vertegenwoordigde")
    for url in walk(page, running_demo.url + "/"):
        top = page.locator("main").bounding_box()["y"]
        assert top <= 120, f"{url}: {top}"


@pytest.mark.parametrize("persona", PERSONAS)
def test_first_visit_loads_one_page_and_at_most_five_assets(open_context, running_demo, persona):
    page = open_context()
    log_in_as(page, running_demo, persona)
    fresh = open_context(storage_state=page.context.storage_state())
    requests: list[str] = []
    fresh.on("request", lambda request: requests.append(request.url))
    start = STARTS.get(persona, "/")
    fresh.goto(running_demo.url + start, wait_until="networkidle")
    assets = {url for url in requests if "/static/" in url}
    assert len([url for url in requests if url.startswith("http")]) == 1 + len(assets), requests
    assert len(assets) <= 5, assets
    assert not any("atkinson" in url for url in assets)
    fresh.goto(running_demo.url + ("/hulp" if persona is None else "/brieven"), wait_until="networkidle")
    # What the browser had already is transferred with 0 bytes.
    again = fresh.evaluate(
        "performance.getEntriesByType('resource').filter(one => one.transferSize > 0).map(one => one.name)"
    )
    assert [url for url in again if "/static/" in url] == []
