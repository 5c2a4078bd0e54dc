"""Each form in Chromium, sent after session expiry: a login link, and the form restored.

Chromium holds a form to `form-action 'self'` over redirects: what is redirected to another origin does nothing at all.
"""

from __future__ import annotations

import re

import pytest

from tests.journeys.app_site import push_request
from tests.journeys.test_portal_in_chromium import (
    accept,
    birth_date,
    choose_letters,
    fill_reading,
    log_in,
    offer,
    press,
    start_offer,
)

pytestmark = [pytest.mark.browser, pytest.mark.long]
EXPIRED_NOTICE = "U was te lang weg. Er is niets veranderd."
RESUMED_NOTICE = "U bent weer ingelogd. Wat u wilde doen, is nog niet gedaan."


def cookie_lost(page, running_demo) -> None:
    """Remove the session cookie, as after a restart of the browser."""
    page.context.clear_cookies(name="__Host-sessie")


def logged_out_in_another_tab(page, running_demo) -> None:
    other = page.context.new_page()
    other.goto(running_demo.url)
    other.get_by_role("button", name="Uitloggen").click()
    # The tab stays open: to close it while its page is still on the way can wait for ever.
    other.get_by_role("link", name="Inloggen").first.wait_for()


SESSION_ENDINGS = {"cookie lost": cookie_lost, "other tab": logged_out_in_another_tab}


def accept_machtiging(page, running_demo) -> str:
    """Offer and accept a machtiging; returns the URL of its page for the helper."""
    log_in(page, running_demo, "vertegenwoordigde")
    code = offer(page, running_demo)
    log_in(page, running_demo, "naaste")
    accept(page, running_demo, code)
    press(page, "Ja, ik neem de machtiging aan")
    return page.url.partition("?")[0]


def comes_back(page, running_demo, persona="Riet") -> None:
    """Assert the notice page, log in by its link, and assert the restored page."""
    assert page.url.startswith(running_demo.url), page.url
    assert page.inner_text("h1") == EXPIRED_NOTICE
    page.get_by_role("main").get_by_role("link", name="Inloggen").click()
    assert page.url.startswith(running_demo.broker), page.url
    page.get_by_role("button", name=re.compile(persona, re.IGNORECASE)).first.click()
    assert page.url.startswith(running_demo.url), page.url
    assert RESUMED_NOTICE in page.inner_text("main")


@pytest.mark.parametrize("over", sorted(SESSION_ENDINGS))
def test_offer_step_after_session_expiry_is_restored(page, running_demo, over):
    log_in(page, running_demo, "vertegenwoordigde")
    page.goto(running_demo.url + "/helpers/nieuw")
    page.get_by_label("Hoe noemt u uw helper?").fill("Jo")
    page.get_by_label("Waarvoor wilt u hulp?").fill("samen de post doen")
    SESSION_ENDINGS[over](page, running_demo)
    press(page, "Verder")
    comes_back(page, running_demo)
    assert page.get_by_label("Hoe noemt u uw helper?").input_value() == "Jo"
    assert page.get_by_label("Waarvoor wilt u hulp?").input_value() == "samen de post doen"
    start_offer(page, running_demo)
    choose_letters(page)
    page.get_by_label("Nee, alleen nieuwe brieven").check()
    page.locator("#gevoelig-ja").check()
    SESSION_ENDINGS[over](page, running_demo)
    press(page, "Verder")
    comes_back(page, running_demo)
    assert page.locator("#gevoelig-ja").is_checked()
    fill_reading(page, past_year=False)
    page.get_by_label("180 dagen").check()
    press(page, "Verder")
    assert page.inner_text("h1") == "Klopt dit?"
    SESSION_ENDINGS[over](page, running_demo)
    press(page, "Ja, maak de machtiging")
    comes_back(page, running_demo)
    assert page.inner_text("h1") == "Klopt dit?"
    press(page, "Ja, maak de machtiging")
    assert page.locator("output.m-code").count() == 1


@pytest.mark.parametrize("over", sorted(SESSION_ENDINGS))
def test_code_form_after_session_expiry_is_restored_at_both_steps(page, running_demo, over):
    log_in(page, running_demo, "vertegenwoordigde")
    code = offer(page, running_demo)
    log_in(page, running_demo, "naaste")
    page.goto(f"{running_demo.url}/ik-help/code")
    page.get_by_label("Machtigingscode").fill(code)
    for part, value in zip(("Dag", "Maand", "Jaar"), birth_date(), strict=True):
        page.get_by_label(part, exact=True).fill(value)
    SESSION_ENDINGS[over](page, running_demo)
    press(page, "Verder")
    comes_back(page, running_demo, "Bram")
    assert page.get_by_label("Machtigingscode").input_value() == code
    press(page, "Verder")
    SESSION_ENDINGS[over](page, running_demo)
    press(page, "Ja, ik neem de machtiging aan")
    comes_back(page, running_demo, "Bram")
    press(page, "Verder")
    press(page, "Ja, ik neem de machtiging aan")
    assert "U heeft de machtiging aangenomen" in page.inner_text("main")


@pytest.mark.parametrize("over", sorted(SESSION_ENDINGS))
@pytest.mark.parametrize(
    ("persona", "who", "ending", "button", "stand"),
    [
        ("vertegenwoordigde", "Riet", "/intrekken", "Ja, stop met deze helper", "Gestopt"),
        ("vertegenwoordigde", "Riet", "", "Op pauze zetten", "pauze"),
        ("naaste", "Bram", "/teruggeven", "Ja, ik stop", "Teruggegeven"),
    ],
)
def test_machtiging_action_after_session_expiry_is_offered_again(
    page, running_demo, over, persona, who, ending, button, stand
):
    where = accept_machtiging(page, running_demo)
    if persona == "vertegenwoordigde":
        where = where.replace("/ik-help/", "/helpers/")
    log_in(page, running_demo, persona)
    page.goto(where + ending)
    SESSION_ENDINGS[over](page, running_demo)
    press(page, button)
    comes_back(page, running_demo, who)
    assert page.url == where + ending
    press(page, button)
    assert stand.lower() in page.inner_text("main").lower()


def test_code_renewal_and_resumption_after_session_expiry_are_offered_again(page, running_demo):
    log_in(page, running_demo, "vertegenwoordigde")
    offer(page, running_demo)
    page.goto(running_demo.url + "/helpers")
    page.locator(".m-card").filter(has_text="Wacht").first.get_by_role("link").first.click()
    cookie_lost(page, running_demo)
    press(page, "Maak een nieuwe code")
    comes_back(page, running_demo)
    press(page, "Maak een nieuwe code")
    assert page.locator("output.m-code").count() == 1
    where = accept_machtiging(page, running_demo).replace("/ik-help/", "/helpers/")
    log_in(page, running_demo, "vertegenwoordigde")
    page.goto(where)
    press(page, "Op pauze zetten")
    cookie_lost(page, running_demo)
    press(page, "Weer aanzetten")
    comes_back(page, running_demo)
    press(page, "Weer aanzetten")
    assert "U heeft de machtiging weer aangezet" in page.inner_text("main")


def test_meldcode_form_after_session_expiry_is_offered_again(page, running_demo):
    log_in(page, running_demo, "vertegenwoordigde")
    page.goto(running_demo.url + "/aan-de-balie")
    cookie_lost(page, running_demo)
    press(page, "Maak een meldcode")
    comes_back(page, running_demo)
    press(page, "Maak een meldcode")
    assert page.locator("output.m-code").count() == 1


@pytest.mark.parametrize("over", sorted(SESSION_ENDINGS))
def test_consent_and_app_revocation_after_session_expiry_are_offered_again(page, running_demo, app_site, over):
    log_in(page, running_demo, "vertegenwoordigde")
    page.goto(push_request(running_demo, app_site).url)
    SESSION_ENDINGS[over](page, running_demo)
    press(page, "Ja, ik ga akkoord")
    comes_back(page, running_demo)
    press(page, "Ja, ik ga akkoord")
    assert page.url.startswith(app_site + "?code="), page.url
    page.goto(running_demo.url + "/apps")
    page.get_by_role("main").locator("a[href$='/stoppen']").first.click()
    cookie_lost(page, running_demo)  # logging out stops the app by itself
    press(page, "Ja, stop de toegang")
    comes_back(page, running_demo)
    press(page, "Ja, stop de toegang")
    assert "U heeft de toegang gestopt" in page.inner_text("main")


def test_logout_after_session_expiry_shows_the_start_page(page, running_demo):
    log_in(page, running_demo, "vertegenwoordigde")
    cookie_lost(page, running_demo)
    page.get_by_role("button", name="Uitloggen").click()
    page.wait_for_load_state()
    assert page.url == running_demo.url + "/"
    assert page.get_by_role("main").get_by_role("link", name="Inloggen").count() == 1


def test_form_of_earlier_login_is_restored_for_the_same_person_only(page, running_demo):
    log_in(page, running_demo, "vertegenwoordigde")
    page.goto(running_demo.url + "/helpers/nieuw")
    page.get_by_label("Waarvoor wilt u hulp?").fill("alleen voor mij")
    other = page.context.new_page()
    log_in(other, running_demo, "vertegenwoordigde")
    press(page, "Verder")
    assert RESUMED_NOTICE in page.inner_text("main")
    assert page.get_by_label("Waarvoor wilt u hulp?").input_value() == "alleen voor mij"
    log_in(other, running_demo, "naaste")
    press(page, "Verder")
    assert page.inner_text("h1") == "Dit formulier is verlopen. Er is niets veranderd."
    page.get_by_role("link", name="Open een nieuw formulier").click()
    page.wait_for_load_state()
    assert "alleen voor mij" not in page.content()


def test_form_of_another_person_is_not_restored(page, running_demo):
    log_in(page, running_demo, "vertegenwoordigde")
    page.goto(running_demo.url + "/helpers/nieuw")
    page.get_by_label("Waarvoor wilt u hulp?").fill("alleen voor mij")
    cookie_lost(page, running_demo)
    press(page, "Verder")
    page.get_by_role("main").get_by_role("link", name="Inloggen").click()
    page.get_by_role("button", name=re.compile("Bram", re.IGNORECASE)).first.click()
    page.wait_for_load_state()
    assert page.url == running_demo.url + "/helpers/nieuw"
    assert "alleen voor mij" not in page.content()
    assert RESUMED_NOTICE not in page.inner_text("main")
