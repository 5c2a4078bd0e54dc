"""The portal in Chromium without JavaScript: machtiging, overview and accessibility."""

import re

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.long]
PAGES = [
    "/",
    "/machtigingen",
    "/machtigingen/aanbieden",
    "/machtigingen/aannemen",
    "/wie-keek-mee",
    "/brieven",
    "/apps",
]


def log_in(page, running_demo, persona: str) -> None:
    page.goto(f"{running_demo.url}/inloggen?login_hint={persona}")
    assert page.url.startswith(running_demo.url), page.url
    assert page.get_by_role("button", name="Uitloggen").count() == 1


def press(page, name: str) -> None:
    page.get_by_role("main").get_by_role("button", name=name, exact=True).click()


def offer(page, running_demo, helper: str = "Familie, een vriend of een bekende", since: str | None = None) -> str:
    """Fill in and confirm the offer form; returns the code. `since`: the year of the first letters, else today."""
    page.goto(f"{running_demo.url}/machtigingen/aanbieden")
    page.get_by_label(helper).check()
    page.get_by_label("2. Waarvoor wilt u hulp?").fill("samen de post doen")
    page.get_by_label("Belastingdienst", exact=True).check()
    if since is not None:
        for part, value in {"dag": "1", "maand": "1", "jaar": since}.items():
            page.locator(f"[name=vanaf_{part}]").fill(value)
    page.get_by_label("De brieven lezen en de bijlagen opslaan").check()
    page.get_by_label("30 dagen").check()
    press(page, "Verder")
    assert page.inner_text("h1") == "Klopt dit?"
    assert "samen de post doen" in page.inner_text("main")
    press(page, "Ja, maak de machtiging")
    return page.inner_text("output.code")


def accept(page, running_demo, code: str) -> None:
    page.goto(f"{running_demo.url}/machtigingen/aannemen")
    page.get_by_label("Machtigingscode").fill(code.lower().replace("-", " "))
    for part, value in zip(("Dag", "Maand", "Jaar"), birth_date(), strict=True):
        page.get_by_label(part, exact=True).fill(value)
    press(page, "Verder")


def birth_date() -> tuple[str, str, str]:
    from machtiging.simulators.personas import PERSONAS

    year, month, day = str(PERSONAS["vertegenwoordigde"].birthdate).split("-")
    return str(int(day)), str(int(month)), year


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
    page.goto(running_demo.url + "/machtigingen")
    assert page.url.startswith(running_demo.broker)


def test_machtiging_is_offered_accepted_paused_and_revoked(page, running_demo):
    log_in(page, running_demo, "vertegenwoordigde")
    code = offer(page, running_demo)
    assert re.fullmatch(r"[0-9A-Z]{5}-[0-9A-Z]{5}", code)
    log_in(page, running_demo, "naaste")
    accept(page, running_demo, code)
    assert page.inner_text("h1") == "Neemt u deze machtiging aan?"
    assert "Belastingdienst" in page.inner_text("main")
    press(page, "Ja, ik neem de machtiging aan")
    assert "Riet" in page.inner_text("main")
    log_in(page, running_demo, "vertegenwoordigde")
    page.goto(running_demo.url + "/machtigingen")
    card = page.locator("main li, main .kaart, main article").filter(has_text="samen de post doen").first
    card.get_by_role("link").first.click()
    where = page.url
    press(page, "Even stilzetten")
    assert "pauze" in page.inner_text("main").lower()
    page.goto(where)
    press(page, "Weer laten gelden")
    page.goto(where + "/intrekken")
    press(page, "Ja, trek de machtiging in")
    page.goto(where)
    assert "mocht uw post lezen" in page.inner_text("h1")
    assert page.get_by_role("main").get_by_role("button").count() == 0
    log_in(page, running_demo, "naaste")
    page.goto(running_demo.url + "/machtigingen")
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
    assert "Deze code" in page.inner_text("[role=alert]")
    assert page.locator("#code").input_value() != ""


def test_overview_shows_reads_and_refusals_without_bsn(page, running_demo):
    log_in(page, running_demo, "vertegenwoordigde")
    page.goto(running_demo.url + "/wie-keek-mee")
    seen = page.inner_text("main")
    assert "Bram" in seen
    assert "Dit is geweigerd" in seen
    assert "99999" not in seen
    page.get_by_role("link", name="Bekijk deze brief").first.click()
    assert "/brieven/" in page.url


def test_page_without_session_redirects_to_login_and_back(page, running_demo):
    page.goto(running_demo.url + "/machtigingen")
    assert page.url.startswith(running_demo.broker)
    page.get_by_role("button", name=re.compile("Riet", re.IGNORECASE)).first.click()
    assert page.url == running_demo.url + "/machtigingen"


def test_empty_offer_form_shows_error_summary_with_links(page, running_demo):
    log_in(page, running_demo, "vertegenwoordigde")
    page.goto(running_demo.url + "/machtigingen/aanbieden")
    press(page, "Verder")
    assert page.locator("[role=alert] a").count() == 2
    assert page.locator("[aria-invalid=true]").count() == 2
    page.get_by_role("link", name="Schrijf op waarvoor u hulp wilt.").click()
    assert page.url.endswith("#doel")


@pytest.mark.parametrize("path", PAGES)
def test_page_has_one_heading_a_skip_link_and_field_labels(page, running_demo, path):
    log_in(page, running_demo, "vertegenwoordigde")
    page.goto(running_demo.url + path)
    assert page.locator("main").count() == 1
    assert page.locator("h1").count() == 1
    assert page.locator("a.overslaan").get_attribute("href") == "#" + page.locator("main").get_attribute("id")
    fields = page.locator("main input:not([type=hidden]), main select, main textarea").all()
    labels = [page.locator(f"label[for='{field.get_attribute('id')}']").count() for field in fields]
    assert labels == [1] * len(fields)


@pytest.mark.parametrize("path", PAGES)
def test_page_fits_a_320_pixel_screen(chromium, running_demo, path):
    # Measuring needs JavaScript; the page itself has none.
    context = chromium.new_context(viewport={"width": 320, "height": 640})
    page = context.new_page()
    log_in(page, running_demo, "vertegenwoordigde")
    page.goto(running_demo.url + path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    small = page.evaluate(
        """() => [...document.querySelectorAll('main button, main a.knop, main input:not([type=hidden])')]
        .filter(e => e.getBoundingClientRect().height < 24).map(e => e.outerHTML)"""
    )
    assert small == []
    context.close()


def test_keyboard_focus_reaches_every_control_and_is_visible(chromium, running_demo):
    context = chromium.new_context()
    page = context.new_page()
    log_in(page, running_demo, "vertegenwoordigde")
    page.goto(running_demo.url + "/machtigingen")
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
    for expected in ("Uitloggen", "Iemand machtigen", "Machtiging aannemen met een code"):
        assert expected in texts
    assert all(style == "solid" and width >= 2 for text, style, width in reached if text in texts[1:6])
    context.close()


def test_unknown_page_returns_404_in_dutch(page, running_demo):
    answer = page.goto(running_demo.url + "/bestaat-niet")
    assert answer.status == 404
    assert "niet" in page.inner_text("h1").lower()
