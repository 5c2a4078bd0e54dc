"""Help requests on the portal: the answers of the wizard, and the steps of both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from machtiging.agencies.rules import Theme
from machtiging.cli.demo.browser import Browser
from machtiging.cli.demo.html import HtmlForm, HtmlPage
from machtiging.cli.demo.narrator import StoryFailed
from tests.builders.people import ISSUER

REQUESTS, NEW_REQUEST, CODE_FORM = "/ik-help/vragen", "/ik-help/vragen/nieuw", "/helpers/vraag"
REQUEST_STEPS = {
    "wie": ("voor", "ik", "doel"),
    "brieven": ("keuze",),
    "zelf-kiezen": ("organisaties", "afzenders", "themas"),
    "lezen": ("bestaand", "gevoelig", "bijlagen"),
    "duur": ("duur", "einde_dag", "einde_maand", "einde_jaar"),
}


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
