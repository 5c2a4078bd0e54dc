"""The reading aid and the end of the session in Chromium, with script and without."""

from __future__ import annotations

import re

import pytest

from tests.journeys.site_walk import find_axe_violations, find_small_targets, page_overflow
from tests.journeys.test_portal_in_chromium import log_in
from tests.parties.npm_packages import needs_packages

pytestmark = [pytest.mark.browser, pytest.mark.long]
PAGES = ["/", "/hulp", "/leeshulp", "/privacy", "/bestaat-niet"]
# A headless browser has no voices. This one speaks when the test says so.
SPEECH = """
window.spoken = []; window.cancelled = 0;
const voices = VOICES.map((lang) => ({ lang, name: lang }));
Object.defineProperty(window, "speechSynthesis", { value: {
  getVoices: () => voices, addEventListener() {}, cancel() { window.cancelled += 1; },
  speak(utterance) { window.spoken.push({ text: utterance.text, lang: utterance.lang, voice: utterance.voice?.lang });
    window.finishSentence = () => utterance.onend(); } } });
window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
"""
HIGHLIGHTED = "[...(CSS.highlights.get('m-speaking') ?? [])].map((range) => range.toString().replace(/\\s+/g, ' '))"


@pytest.fixture
def open_window(chromium):
    """Opens windows in which scripts run; they are closed after the test."""
    opened = []

    def open_one(**settings):
        context = chromium.new_context(**{"locale": "nl-NL", "viewport": {"width": 1100, "height": 900}, **settings})
        context.set_default_timeout(30_000)
        opened.append(context)
        return context.new_page()

    yield open_one
    for context in opened:
        context.close()


@pytest.fixture
def page_with_voices(open_window):
    """A window whose browser has a Dutch and an English voice."""
    page = open_window()
    page.add_init_script(SPEECH.replace("VOICES", '["fr-FR", "nl-NL", "en-GB"]'))
    return page


def open_aid(page) -> None:
    page.locator(".m-aid > summary").click()


def press_aid(page, name: str) -> None:
    page.locator(".m-aid").get_by_role("button", name=name, exact=True).click()


def root_classes(page) -> set[str]:
    return set(page.locator("html").get_attribute("class").split()) - {"ma-theme"}


def font_size(page) -> float:
    return page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)")


def test_page_without_script_has_no_button_of_the_reading_aid(page, running_demo):
    page.goto(running_demo.url)
    assert page.locator(".m-aid").count() == 0
    assert page.get_by_text("Lees voor", exact=True).count() == 0
    page.get_by_role("contentinfo").get_by_role("link", name="Leeshulp").click()
    assert "Ziet u geen knop Leeshulp?" in page.inner_text("main")


def test_reading_aid_stands_at_the_same_place_on_every_page(open_window, running_demo):
    page = open_window()
    places = set()
    for path in PAGES:
        page.goto(running_demo.url + path)
        box = page.locator(".m-aid > summary").bounding_box()
        places.add((round(box["x"]), round(box["y"])))
    assert len(places) == 1, places


def test_choices_are_remembered_on_the_device_and_sent_nowhere(open_window, running_demo):
    page = open_window()
    page.goto(running_demo.url)
    normal = font_size(page)
    requests = []
    page.on("request", lambda request: requests.append(request))
    open_aid(page)
    for name in ("Heel groot", "Rustig beeld"):
        press_aid(page, name)
    assert root_classes(page) == {"m-larger", "m-calm"}
    assert font_size(page) > normal * 1.3
    assert requests == []
    page.goto(running_demo.url + "/hulp")
    assert root_classes(page) == {"m-larger", "m-calm"}
    kept = page.evaluate("({...localStorage})")
    assert list(kept) == ["leeshulp"]
    assert [cookie["name"] for cookie in page.context.cookies()] == []
    assert all(request.method == "GET" and not request.post_data for request in requests)
    assert not any("larger" in str(request.all_headers()) + request.url for request in requests)
    open_aid(page)
    for name in ("Gewoon", "Rustig beeld"):
        press_aid(page, name)
    assert root_classes(page) == set()


def test_choice_in_one_tab_changes_the_other(open_window, running_demo):
    page = open_window()
    page.goto(running_demo.url)
    other = page.context.new_page()
    other.goto(running_demo.url + "/hulp")
    open_aid(other)
    press_aid(other, "Groot")
    page.wait_for_function("document.documentElement.classList.contains('m-large')")


@pytest.mark.parametrize("kept", ["kapot", "null", "[]", '{"size": "m-evil", "calm": "ja"}', '{"size": 4}'])
def test_malformed_choice_on_the_device_is_ignored(open_window, running_demo, kept):
    page = open_window()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(running_demo.url)
    page.evaluate("kept => localStorage.setItem('leeshulp', kept)", kept)
    page.goto(running_demo.url + "/hulp")
    assert root_classes(page) == set()
    assert page.locator(".m-aid").count() == 1
    assert faults == []


def test_reading_aid_works_when_the_device_keeps_nothing(open_window, running_demo):
    page = open_window()
    page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } });")
    page.goto(running_demo.url)
    open_aid(page)
    press_aid(page, "Groot")
    assert root_classes(page) == {"m-large"}


def test_letter_of_the_reading_aid_is_loaded_only_when_chosen(open_window, running_demo):
    page = open_window()
    loaded = []
    page.on("request", lambda request: loaded.append(request.url))
    page.goto(running_demo.url, wait_until="networkidle")
    assert not any("atkinson" in url for url in loaded)
    open_aid(page)
    with page.expect_request(re.compile("atkinson")):
        press_aid(page, "Letter die makkelijker leest")
    assert root_classes(page) == {"m-dyslexia"}


def test_page_is_read_sentence_by_sentence_with_the_sentence_highlighted(page_with_voices, running_demo):
    page = page_with_voices
    page.goto(running_demo.url + "/veilig")
    open_aid(page)
    press_aid(page, "Lees voor")
    for expected in (
        "Veilig",
        "Dit vragen wij nooit",
        "Wij vragen nooit om uw DigiD.",
        "Geef die ook nooit aan uw helper.",
    ):
        assert page.evaluate("spoken.at(-1)") == {"text": expected, "lang": "nl", "voice": "nl-NL"}
        assert page.evaluate(HIGHLIGHTED) == [expected]
        page.evaluate("finishSentence()")
    read = page.locator("[data-aid-read]")
    assert read.get_attribute("aria-pressed") == "true"
    press_aid(page, "Stop met voorlezen")
    assert page.evaluate(HIGHLIGHTED) == []
    assert read.get_attribute("aria-pressed") == "false"
    assert page.evaluate("document.activeElement === document.querySelector('[data-aid-read]')")
    count = page.evaluate("spoken.length")
    page.evaluate("finishSentence()")  # what still ends after the stop, starts nothing
    assert page.evaluate("spoken.length") == count


def test_reading_after_a_pause_goes_on_at_the_same_sentence(page_with_voices, running_demo):
    page = page_with_voices
    page.goto(running_demo.url + "/veilig")
    open_aid(page)
    press_aid(page, "Lees voor")
    page.evaluate("finishSentence()")
    press_aid(page, "Pauze")
    assert page.locator("[data-aid-pause]").get_attribute("aria-pressed") == "true"
    assert page.evaluate("[spoken.length, cancelled > 0]") == [2, True]
    press_aid(page, "Pauze")
    assert page.evaluate("spoken.map((one) => one.text)") == ["Veilig", "Dit vragen wij nooit", "Dit vragen wij nooit"]


def test_whole_page_is_read_once_and_then_it_stops(page_with_voices, running_demo):
    page = page_with_voices
    page.goto(running_demo.url + "/zo-werkt-het")
    open_aid(page)
    press_aid(page, "Lees voor")
    page.evaluate(
        "while (document.querySelector('[data-aid-read]').getAttribute('aria-pressed') === 'true') finishSentence()"
    )
    spoken = " ".join(page.evaluate("spoken.map((one) => one.text)"))
    assert spoken == " ".join(page.inner_text("main").split())


def test_english_page_is_read_by_an_english_voice(open_window, running_demo):
    page = open_window(locale="en-GB")
    page.add_init_script(SPEECH.replace("VOICES", '["nl-NL", "en-GB"]'))
    page.goto(running_demo.url + "/veilig")
    open_aid(page)
    press_aid(page, "Read aloud")
    assert page.evaluate("spoken[0]") == {"text": "Safe", "lang": "en", "voice": "en-GB"}


@pytest.mark.parametrize("voices", ["[]", '["fr-FR"]', None])
def test_device_without_a_voice_gets_a_note_and_no_silence_that_looks_like_reading(open_window, running_demo, voices):
    page = open_window()
    if voices is None:
        page.add_init_script("delete window.speechSynthesis; delete Window.prototype.speechSynthesis;")
    else:
        page.add_init_script(SPEECH.replace("VOICES", voices))
    page.goto(running_demo.url)
    open_aid(page)
    press_aid(page, "Lees voor")
    page.locator("[data-aid-status]").get_by_text("geen stem").wait_for()
    assert page.locator("[data-aid-read]").get_attribute("aria-pressed") == "false"
    assert page.locator("[data-aid-pause]").is_hidden()


def test_reading_aid_works_with_the_keyboard_alone(open_window, running_demo):
    page = open_window()
    page.goto(running_demo.url)
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.m-aid > summary')"):
            break
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.aidRead") == ""
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert root_classes(page) == {"m-large"}
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.matches('.m-aid > summary')")
    assert page.locator(".m-aid").get_attribute("open") is None


@pytest.mark.parametrize("width", [1100, 375, 320])
def test_open_reading_aid_fits_and_has_no_axe_violation(open_window, running_demo, width):
    needs_packages()
    page = open_window(viewport={"width": width, "height": 640})
    page.goto(running_demo.url + "/hulp")
    open_aid(page)
    for name in ("Heel groot", "Rustig beeld", "Letter die makkelijker leest"):
        press_aid(page, name)
        assert page_overflow(page) <= 0
    assert find_small_targets(page) == []
    assert find_axe_violations(page) == []


# --- the end of the session


def open_form(page, running_demo) -> None:
    """Log in, open the form for a code and type in it."""
    log_in(page, running_demo, "naaste")
    page.goto(running_demo.url + "/ik-help/code")
    page.locator("[name=code]").fill("AAAA-BBBB")


@pytest.fixture
def form_page(open_window, running_demo):
    """A window with something typed in a form, whose clock the test moves."""
    page = open_window()
    page.clock.install()
    open_form(page, running_demo)
    return page


def typed(page) -> str:
    return page.locator("[name=code]").input_value()


def test_warning_comes_two_minutes_before_the_end_and_one_press_extends(form_page, running_demo):
    page = form_page
    assert "U blijft ingelogd tot" in page.inner_text("main")
    page.clock.fast_forward("12:30")
    assert page.get_by_role("alert").count() == 0
    page.clock.fast_forward("00:30")
    warning = page.get_by_role("alert")
    warning.wait_for()
    assert "U wordt bijna uitgelogd." in warning.inner_text()
    assert page.evaluate("document.activeElement.name") == "code"  # the warning takes no focus while somebody types
    with page.expect_response(lambda response: response.url.endswith("/blijf-ingelogd")) as answered:
        warning.get_by_role("button", name="Blijf ingelogd").click()
    assert answered.value.json()["seconds"] > 840
    warning.wait_for(state="detached")
    assert typed(page) == "AAAA-BBBB"
    assert page.url.endswith("/ik-help/code")
    page.clock.fast_forward("12:30")
    assert page.get_by_role("alert").count() == 0
    assert len(page.context.pages) == 1


def test_extension_in_one_tab_ends_the_warning_in_the_other(form_page, running_demo):
    page = form_page
    page.clock.fast_forward("13:30")
    page.get_by_role("alert").wait_for()
    other = page.context.new_page()
    other.clock.install()
    other.goto(running_demo.url + "/apps")
    other.clock.set_fixed_time(page.evaluate("Date.now()"))
    other.reload()
    page.get_by_role("alert").wait_for(state="detached")


def test_page_of_ended_session_says_so_and_the_form_is_kept(form_page, running_demo):
    page = form_page
    page.context.clear_cookies(name="__Host-sessie")
    page.clock.fast_forward("13:00")
    page.get_by_role("alert").get_by_role("button").click()
    page.get_by_role("alert").get_by_text("U bent nu uitgelogd.").wait_for()
    assert page.get_by_role("alert").get_by_role("button").count() == 0
    assert typed(page) == "AAAA-BBBB"
    page.get_by_role("main").get_by_role("button", name="Verder").click()
    page.get_by_role("main").get_by_role("link", name="Inloggen").click()
    page.get_by_role("button", name=re.compile("Bram")).first.click()
    assert typed(page) == "AAAA-BBBB"


def test_page_says_logged_out_after_the_end(form_page):
    page = form_page
    page.clock.fast_forward("15:10")
    page.get_by_role("alert").get_by_text("U bent nu uitgelogd.").wait_for()


def test_warning_has_no_axe_violation_and_fits_a_phone(open_window, running_demo):
    needs_packages()
    page = open_window(viewport={"width": 320, "height": 640})
    page.clock.install()
    open_form(page, running_demo)
    page.clock.fast_forward("13:00")
    page.get_by_role("alert").wait_for()
    assert page_overflow(page) <= 0
    assert find_small_targets(page) == []
    page.clock.resume()
    assert find_axe_violations(page) == []


def test_extension_without_script_opens_a_window_and_keeps_what_was_typed(page, running_demo):
    open_form(page, running_demo)
    with page.context.expect_page() as opened:
        page.get_by_role("button", name=re.compile("Blijf ingelogd")).click()
    opened.value.wait_for_load_state()
    assert opened.value.inner_text("h1") == "U bent nog ingelogd"
    assert "U blijft ingelogd tot" in opened.value.inner_text("main")
    assert typed(page) == "AAAA-BBBB"
