"""Help requests for tests: the answers of the wizard, and the steps of both people on the portal."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from machtiging.agencies.rules import Theme
from machtiging.cli.demo.browser import Browser
from machtiging.cli.demo.html import HtmlForm, HtmlPage
from machtiging.cli.demo.narrator import StoryFailed
from machtiging.delegation.help_requests.creation import RequestedHelp
from machtiging.delegation.help_requests.rules import RequestWords
from machtiging.kernel.clock import to_dutch_date
from tests.builders.keys import NOON
from tests.builders.machtiging import make_scope
from tests.builders.people import ISSUER

REQUESTS, NEW_REQUEST, CODE_FORM = "/ik-help/vragen", "/ik-help/vragen/nieuw", "/helpers/vraag"
REQUEST_STEPS = {
    "wie": ("voor", "ik", "doel"),
    "brieven": ("keuze",),
    "zelf-kiezen": ("organisaties", "afzenders", "themas"),
    "lezen": ("bestaand", "gevoelig", "bijlagen"),
    "duur": ("duur", "einde_dag", "einde_maand", "einde_jaar"),
}
LAST_DAY = to_dutch_date(NOON) + timedelta(days=90)


def make_request_form(**changes: Any) -> dict[str, Any]:
    """The answers of a relative who makes no mistake, on all pages."""
    answers: dict[str, Any] = {
        "voor": "mijn moeder",
        "ik": "uw zoon Bram",
        "doel": "de zorgtoeslag regelen",
        "keuze": "behalve-medisch",
        "organisaties": "alle",
        "afzenders": [],
        "themas": [Theme.BELASTINGEN.value],
        "bestaand": "jaar",
        "gevoelig": "ja",
        "bijlagen": "ja",
        "duur": "90",
        "einde_dag": "",
        "einde_maand": "",
        "einde_jaar": "",
    }
    return answers | changes


def make_content(**changes: Any) -> RequestedHelp:
    """The same content, without the pages. Changes may name a field of the words or of the scope."""
    words = RequestWords("mijn moeder", "uw zoon Bram", "de zorgtoeslag regelen")
    scope = make_scope(excluded_themes=frozenset({Theme.ZORG}))
    in_words = {name: changes.pop(name) for name in list(changes) if hasattr(words, name)}
    in_scope = {name: changes.pop(name) for name in list(changes) if hasattr(scope, name)}
    content = RequestedHelp(replace(words, **in_words), replace(scope, **in_scope), LAST_DAY)
    return replace(content, **changes)


async def fill_request(browser: Browser, *, expect: int = 200, **changes: Any) -> HtmlPage:
    """Fill in each page of the wizard. Returns the check page, or the page that refuses."""
    page = await browser.open_page(ISSUER + NEW_REQUEST)
    form = make_request_form(**changes)
    for step, names in REQUEST_STEPS.items():
        ending = NEW_REQUEST if step == "wie" else f"/{step}"
        if not urlsplit(browser.url).path.endswith(ending):
            continue
        blank = page.find_form(ending)
        emptied = replace(blank, values={"csrf": blank.values["csrf"]})
        try:
            page = await browser.submit_form(emptied, {name: form[name] for name in names})
        except StoryFailed:
            if browser.status != expect:
                raise
            return browser.page
    assert expect == 200, "no page refused"
    return page


async def make_request(browser: Browser, **changes: Any) -> str:
    """Make a request, and read its code from its page. The browser stays on that page."""
    check = await fill_request(browser, **changes)
    return (await browser.submit_form(check.find_form("/controle"), {})).codes[0]


async def type_code(browser: Browser, code: str, *, expect: int = 200) -> HtmlPage:
    """Type the code of a request. Returns the page with the three answers."""
    form = (await browser.open_page(ISSUER + CODE_FORM)).find_form(CODE_FORM)
    return await browser.submit_form(form, {"code": code}, expected_status=expect)


def find_answer_form(page: HtmlPage) -> HtmlForm:
    """The form with the three answers."""
    return next(form for form in page.forms if form.action.startswith(f"{CODE_FORM}/"))


async def answer(browser: Browser, page: HtmlPage, choice: str, *, expect: int = 200, **fields: Any) -> HtmlPage:
    """Press one of the three buttons on the page of a request."""
    form = find_answer_form(page)
    return await browser.submit_form(form, {"besluit": choice, **fields}, expected_status=expect)
