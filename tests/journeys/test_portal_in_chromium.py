"""The portal in Chromium without JavaScript: machtiging, overview and accessibility."""

import re
from collections.abc import Callable

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.long]
PAGES = [
    "/",
    "/helpers",
    "/helpers/nieuw",
    "/helpers/stop-alles",
    "/ik-help",
    "/ik-help/code",
    "/wie-keek-mee",
    "/brieven",
    "/apps",
]


def log_in(page, running_demo, persona: str) -> None:
    page.goto(f"{running_demo.url}/inloggen?login_hint={persona}")
    assert page.url.startswith(running_demo.url), page.url
    # On a narrow screen the button is in the closed fold of the header.
    assert page.locator("form[action='/uitloggen'] button").count() > 0


def press(page, name: str) -> None:
    """Press a button, and wait until the answer is parsed: a count does not wait for the new page."""
    page.get_by_role("main").get_by_role("button", name=name, exact=True).click()
    page.wait_for_load_state()


def start_offer(page, running_demo, helper: str = "Familie, een vriend of een bekende") -> None:
    """Fill in the first step of the wizard; the second is on the screen then."""
    page.goto(f"{running_demo.url}/helpers/nieuw")
    page.get_by_label(helper).check()
    page.get_by_label("Hoe noemt u uw helper?").fill("mijn zoon Bram")
    page.get_by_label("Waarvoor wilt u hulp?").fill("samen de post doen")
    press(page, "Verder")


def choose_letters(page, look: Callable[[], None] = lambda: None) -> None:
    """Choose one organisation and some themes. `look` is called on the page of that choice."""
    page.get_by_label("Zelf kiezen").check()
    press(page, "Verder")
    look()
    page.get_by_label("Van de organisaties die ik kies").check()
    page.get_by_label("Belastingdienst").check()
    for theme in ("belastingen", "toeslagen", "auto en verkeer"):
        page.get_by_label(theme, exact=True).check()
    press(page, "Verder")


def fill_reading(page, *, past_year: bool) -> None:
    """Answer the third step."""
    page.get_by_label("Ja, van het afgelopen jaar" if past_year else "Nee, alleen nieuwe brieven").check()
    page.locator("#gevoelig-nee").check()
    page.locator("#bijlagen-ja").check()
    press(page, "Verder")


def fill_offer(page, running_demo, helper: str, *, past_year: bool) -> None:
    """Fill in all steps of the wizard; the check page is on the screen then."""
    start_offer(page, running_demo, helper)
    if page.url.partition("?")[0].endswith("/organisatie"):
        page.get_by_label("ik geef zelf een code").check()
        press(page, "Verder")
    choose_letters(page)
    fill_reading(page, past_year=past_year)
    page.get_by_label("30 dagen").check()
    press(page, "Verder")


def offer(page, running_demo, helper: str = "Familie, een vriend of een bekende", *, past_year: bool = False) -> str:
    """Give a machtiging with the wizard; returns the code. `past_year`: with the letters of the past year."""
    fill_offer(page, running_demo, helper, past_year=past_year)
    assert page.inner_text("h1") == "Klopt dit?"
    assert "samen de post doen" in page.inner_text("main")
    press(page, "Ja, maak de machtiging")
    return page.inner_text("output.m-code")


def accept(page, running_demo, code: str) -> None:
    page.goto(f"{running_demo.url}/ik-help/code")
    page.get_by_label("Machtigingscode").fill(code.lower().replace("-", " "))
    for part, value in zip(("Dag", "Maand", "Jaar"), birth_date(), strict=True):
        page.get_by_label(part, exact=True).fill(value)
    press(page, "Verder")


def birth_date() -> tuple[str, str, str]:
    from machtiging.simulators.personas import PERSONAS

    year, month, day = str(PERSONAS["vertegenwoordigde"].birthdate).split("-")
    return str(int(day)), str(int(month)), year


def test_scanned_code_waits_in_the_browser_while_the_helper_logs_in(chromium, running_demo):
    page, sent = chromium.new_page(locale="nl-NL"), []  # with JavaScript
    page.on("request", lambda request: sent.append(request.url))
    page.goto(f"{running_demo.url}/code#AB12-CD34-EF")
    page.get_by_role("link", name="Inloggen en verder gaan").click()
    page.get_by_role("button", name=re.compile("Bram")).first.click()
    page.wait_for_url(f"{running_demo.url}/ik-help/code")
    assert page.get_by_label("Machtigingscode").input_value() == "AB12-CD34-EF"
    page.goto(f"{running_demo.url}/code#AB12-CD34-GH")
    assert page.url == f"{running_demo.url}/ik-help/code"
    assert page.get_by_label("Machtigingscode").input_value() == "AB12-CD34-GH"
    page.reload()
    assert page.get_by_label("Machtigingscode").input_value() == ""
    assert [url for url in sent if "AB12" in url.partition("#")[0]] == []
    page.close()


def test_start_page_shows_the_practice_warning(page, running_demo):
    page.goto(running_demo.url)
    assert page.locator("h1").count() == 1
    assert page.locator("html").get_attribute("lang") == "nl"
    assert "oefen" in page.inner_text("body").lower()


def test_login_by_persona_sets_a_secure_session_cookie(page, running_demo):
    page.goto(running_demo.url + "/inloggen")
    assert page.url.startswith(running_demo.broker)
    assert "dit is geen DigiD" in page.inner_text("body")
    page.get_by_role("button", name=re.compile("Riet", re.IGNORECASE)).first.click()
    assert page.url.startswith(running_demo.url)
    session = {cookie["name"]: cookie for cookie in page.context.cookies()}["__Host-sessie"]
    assert session["secure"]
    assert session["httpOnly"]
    assert session["sameSite"] == "Lax"
    press_out = page.get_by_role("button", name="Uitloggen")
    press_out.click()
    page.goto(running_demo.url + "/helpers")
    assert page.url.startswith(running_demo.broker)


def test_machtiging_is_offered_accepted_paused_and_revoked(page, running_demo):
    log_in(page, running_demo, "vertegenwoordigde")
    code = offer(page, running_demo)
    assert re.fullmatch(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{2}", code)
    log_in(page, running_demo, "naaste")
    accept(page, running_demo, code)
    assert page.inner_text("h1") == "Neemt u deze machtiging aan?"
    assert "Belastingdienst" in page.inner_text("main")
    press(page, "Ja, ik neem de machtiging aan")
    assert "Riet" in page.inner_text("main")
    log_in(page, running_demo, "vertegenwoordigde")
    page.goto(running_demo.url + "/helpers")
    card = page.locator("main .m-card").filter(has_text="samen de post doen").first
    card.get_by_role("link").first.click()
    where = page.url
    press(page, "Op pauze zetten")
    assert "pauze" in page.inner_text("main").lower()
    page.goto(where)
    press(page, "Weer aanzetten")
    page.goto(where + "/intrekken")
    press(page, "Ja, stop met deze helper")
    page.goto(where)
    assert "U heeft deze machtiging gestopt." in page.inner_text("main")
    assert page.locator("main form:not([action='/blijf-ingelogd'])").count() == 0
    log_in(page, running_demo, "naaste")
    page.goto(running_demo.url + "/ik-help")
    assert "Gestopt" in page.inner_text("main")


def test_used_code_and_own_code_are_rejected(page, running_demo):
    log_in(page, running_demo, "vertegenwoordigde")
    code = offer(page, running_demo)
    accept(page, running_demo, code)
    assert page.locator("[role=alert], h1:has-text('niet')").count() >= 1
    log_in(page, running_demo, "naaste")
    accept(page, running_demo, code)
    press(page, "Ja, ik neem de machtiging aan")
    accept(page, running_demo, code)
    assert page.inner_text("h1").startswith("U mag post lezen van Riet")
    log_in(page, running_demo, "raadslid")
    accept(page, running_demo, code)
    assert "Wij vinden geen machtiging bij wat u invulde" in page.inner_text("[role=alert]")
    assert page.locator("#code").input_value() != ""


def test_overview_shows_reads_and_refusals_without_bsn(page, running_demo):
    log_in(page, running_demo, "vertegenwoordigde")
    page.goto(running_demo.url + "/wie-keek-mee")
    seen = page.inner_text("main")
    assert "Bram" in seen
    assert "Dat mocht niet." in seen
    assert "99999" not in seen
    page.get_by_role("link", name="Bekijk deze brief").first.click()
    assert "/brieven/" in page.url


def test_page_without_session_redirects_to_login_and_back(page, running_demo):
    page.goto(running_demo.url + "/helpers")
    assert page.url.startswith(running_demo.broker)
    page.get_by_role("button", name=re.compile("Riet", re.IGNORECASE)).first.click()
    assert page.url == running_demo.url + "/helpers"


def test_empty_offer_step_shows_error_summary_with_links(page, running_demo):
    log_in(page, running_demo, "vertegenwoordigde")
    page.goto(running_demo.url + "/helpers/nieuw")
    press(page, "Verder")
    assert page.title().startswith("Fout:")
    assert page.locator("[role=alert] a").count() == 3
    assert page.locator("[aria-invalid=true]").count() == 3
    page.get_by_role("link", name="Schrijf in een paar woorden waarvoor u hulp wilt").click()
    assert page.url.endswith("#doel")


def test_offer_row_is_changed_from_the_check_page_and_back_button_keeps_answers(page, running_demo):
    log_in(page, running_demo, "vertegenwoordigde")
    fill_offer(page, running_demo, "Familie, een vriend of een bekende", past_year=True)
    seen = page.inner_text("main")
    assert "Uw helper ziet 3 brieven" in seen
    page.locator("a[href*='/lezen?']").first.click()
    page.get_by_label("Nee, alleen nieuwe brieven").check()
    press(page, "Wijziging bewaren")
    assert page.inner_text("h1") == "Klopt dit?"
    assert "Uw helper ziet nu nog geen brieven." in page.inner_text("main")
    page.get_by_role("main").get_by_role("link", name="Vorige").click()
    assert page.get_by_label("30 dagen").is_checked()
    page.go_back()
    assert page.inner_text("h1") == "Klopt dit?"


@pytest.mark.parametrize("path", PAGES)
def test_page_has_one_heading_a_skip_link_and_field_labels(page, running_demo, path):
    log_in(page, running_demo, "vertegenwoordigde")
    page.goto(running_demo.url + path)
    assert page.locator("main").count() == 1
    assert page.locator("h1").count() == 1
    assert page.locator("a.m-skip").get_attribute("href") == "#" + page.locator("main").get_attribute("id")
    fields = page.locator("main input:not([type=hidden]), main select, main textarea").all()
    labels = [page.locator(f"label[for='{field.get_attribute('id')}']").count() for field in fields]
    assert labels == [1] * len(fields)


@pytest.mark.parametrize("path", PAGES)
def test_page_fits_a_320_pixel_screen(chromium, running_demo, path):
    # Measuring needs JavaScript; the page itself has none.
    context = chromium.new_context(locale="nl-NL", viewport={"width": 320, "height": 640})
    page = context.new_page()
    log_in(page, running_demo, "vertegenwoordigde")
    page.goto(running_demo.url + path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    small = page.evaluate(
        """() => [...document.querySelectorAll(
            'main button, main a.utrecht-button-link, main input:not([type=hidden])')]
        .filter(e => e.getBoundingClientRect().height < 24).map(e => e.outerHTML)"""
    )
    assert small == []
    context.close()


def test_keyboard_focus_reaches_every_control_and_is_visible(chromium, running_demo):
    context = chromium.new_context(locale="nl-NL")
    page = context.new_page()
    log_in(page, running_demo, "vertegenwoordigde")
    page.goto(running_demo.url + "/helpers")
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        here = page.evaluate(
            """() => { const e = document.activeElement;
            const s = getComputedStyle(e);
            return [e.textContent.trim(), s.outlineStyle, parseFloat(s.outlineWidth)]; }"""
        )
        if reached and here[0] == reached[0][0]:
            break
        reached.append(here)
    texts = [text for text, _, _ in reached]
    for expected in ("Uitloggen", "Een helper kiezen", "Noodstop"):
        assert expected in texts
    assert all(style == "solid" and width >= 2 for text, style, width in reached if text in texts[1:6])
    context.close()


def test_emergency_stop_is_shown_to_the_helper_and_lifted(page, running_demo):
    log_in(page, running_demo, "vertegenwoordigde")
    code = offer(page, running_demo)
    log_in(page, running_demo, "naaste")
    accept(page, running_demo, code)
    press(page, "Ja, ik neem de machtiging aan")
    agreement = page.url.partition("?")[0]
    log_in(page, running_demo, "vertegenwoordigde")
    page.goto(running_demo.url + "/helpers/stop-alles")
    press(page, "Ja, stop alles")
    page.goto(running_demo.url)
    assert "Noodstop" in page.inner_text("section[aria-labelledby=helpers]")
    log_in(page, running_demo, "naaste")
    for url in (running_demo.url + "/ik-help", agreement):
        assert page.goto(url).status == 200
        assert "Noodstop" in page.inner_text("main")
    page.goto(agreement + "/brieven")
    assert page.inner_text("h1") == "U kunt deze post nu niet lezen"
    log_in(page, running_demo, "vertegenwoordigde")
    page.goto(running_demo.url + "/helpers/stop-alles")
    press(page, "Zet de noodstop uit")
    log_in(page, running_demo, "naaste")
    page.goto(agreement)
    assert "Werkt nu" in page.inner_text("main")


def test_unknown_page_returns_404_in_dutch(page, running_demo):
    answer = page.goto(running_demo.url + "/bestaat-niet")
    assert answer.status == 404
    assert "niet" in page.inner_text("h1").lower()
