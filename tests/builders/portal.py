"""The portal as people meet it. The assembled service on a database of one's own, and browsers that are logged in."""

from __future__ import annotations

import functools
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from fastapi import FastAPI

from machtiging.agencies.rules import Theme
from machtiging.app import create_app
from machtiging.cli.demo.browser import Browser
from machtiging.cli.demo.html import HtmlPage
from machtiging.cli.demo.narrator import StoryFailed
from machtiging.identity.session import SESSION_COOKIE
from machtiging.kernel.ids import PersonId
from machtiging.settings import Environment, Settings
from tests.builders.applications import POLICIES, copy_application
from tests.builders.keys import make_key_directory
from tests.builders.machtiging import Committed
from tests.builders.people import BORN, BROKER, ISSUER, People, start_login_session

OFFER = "/helpers/nieuw"
CHECK = "/controle"
ACCEPT = "/ik-help/code"


@dataclass
class Portal:
    """The service in this process, mother and son in its database, a settable clock."""

    app: FastAPI
    clock: Any
    world: Committed
    http: httpx.AsyncClient

    @property
    def people(self) -> People:
        return self.world.people

    async def browser_of(self, person: PersonId, **login: Any) -> Browser:
        """A browser in which this person has logged in; `login` as for `start_login_session`."""
        token = await start_login_session(self.app.state.services, person, **login)
        browser = Browser(self.http, frozenset({ISSUER, BROKER}))
        browser.cookies[ISSUER] = {SESSION_COOKIE: token}
        return browser

    async def mother(self, **changes: Any) -> Browser:
        return await self.browser_of(self.people.mother, **changes)

    async def son(self, **changes: Any) -> Browser:
        return await self.browser_of(self.people.son, **changes)

    async def close(self) -> None:
        await self.http.aclose()


@functools.cache
def assemble_service() -> FastAPI:
    """The application of `create_app`, made once in a process. The database in its settings does not exist."""
    place = Path(tempfile.mkdtemp(prefix="machtiging-keys-"))
    settings = Settings(
        env=Environment.TEST,
        issuer=ISSUER,
        broker_issuer=BROKER,
        database_url="postgresql:///niets?host=/nergens",
        keys_dir=make_key_directory(place / "keys"),
        policies_dir=POLICIES,
    )
    try:
        return create_app(settings)
    finally:
        shutil.rmtree(place)


async def make_portal(database: Any, clock: Any) -> Portal:
    """Everything that `create_app` assembles; only the clock and the database are this test's own."""
    app = copy_application(
        assemble_service(),
        clock=clock,
        sessions=database.sessions,
        engines=(database.service, database.sealer),
        sealer_engine=database.sealer,
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return Portal(app, clock, await Committed.begin(database), httpx.AsyncClient(transport=transport))


# The fields of each page of the wizard. The custom choice of letters comes after its preset.
OFFER_STEPS = {
    "wie": ("soort", "naam", "doel"),
    "organisatie": ("organisatie",),
    "brieven": ("keuze",),
    "zelf-kiezen": ("organisaties", "afzenders", "themas"),
    "lezen": ("bestaand", "gevoelig", "bijlagen"),
    "duur": ("duur", "einde_dag", "einde_maand", "einde_jaar"),
}


def make_offer_form(**changes: Any) -> dict[str, Any]:
    """The answers of somebody who gives a machtiging without a mistake, on all pages."""
    return {
        "soort": "relative",
        "organisatie": "code",
        "naam": "mijn zoon Bram",
        "doel": "post bijhouden",
        "keuze": "zelf",
        "organisaties": "kiezen",
        "afzenders": ["00000099000000003000"],
        "themas": [theme.value for theme in Theme if theme is not Theme.ZORG],
        "bestaand": "jaar",
        "gevoelig": "nee",
        "bijlagen": "ja",
        "duur": "90",
        **dict.fromkeys(("einde_dag", "einde_maand", "einde_jaar"), ""),
        **changes,
    }


def make_offer_answers(**changes: Any) -> dict[str, dict[str, list[str]]]:
    """The same answers, as a draft has them."""
    form = make_offer_form(**changes)
    return {
        step: {name: form[name] if isinstance(form[name], list) else [form[name]] for name in names}
        for step, names in OFFER_STEPS.items()
    }


def make_step_form(step: str, **changes: Any) -> dict[str, Any]:
    """The answers on one page."""
    return {name: value for name, value in make_offer_form(**changes).items() if name in OFFER_STEPS[step]}


async def open_offer(browser: Browser) -> HtmlPage:
    return await browser.open_page(ISSUER + OFFER)


async def fill_offer(browser: Browser, *, expect: int = 200, **changes: Any) -> HtmlPage:
    """Open the wizard and fill in each page with these changes. Returns the check page, or the page that refuses."""
    page = await open_offer(browser)
    for step in OFFER_STEPS:
        ending = OFFER if step == "wie" else f"/{step}"
        if not urlsplit(browser.url).path.endswith(ending):
            continue  # her own choice of letters is asked only after that preset
        form = page.find_form(ending)
        # What nobody ticks is not sent, so the boxes that come ticked are taken off first.
        emptied = replace(form, values={"csrf": form.values["csrf"]})
        try:
            page = await browser.submit_form(emptied, make_step_form(step, **changes))
        except StoryFailed:
            if browser.status != expect:
                raise
            return browser.page
    assert expect == 200, "no page refused"
    return page


async def make_offer(browser: Browser, **changes: Any) -> str:
    """Offer, and read the code from the page that shows it once."""
    check = await fill_offer(browser, **changes)
    made = await browser.submit_form(check.find_form(CHECK), {"akkoord": "ja"})
    return made.codes[0]


async def enter_code(browser: Browser, code: str, *, expect: int = 200, **changes: str) -> HtmlPage:
    """Open the form for the code, fill it in, send it."""
    answers = {
        "code": code,
        "geboren_dag": str(BORN.day),
        "geboren_maand": str(BORN.month),
        "geboren_jaar": str(BORN.year),
    }
    form = (await browser.open_page(ISSUER + ACCEPT)).find_form(ACCEPT)
    return await browser.submit_form(form, answers | changes, expected_status=expect)


async def accept_code(browser: Browser, code: str) -> HtmlPage:
    """Give the code, look, say yes."""
    shown = await enter_code(browser, code)
    return await browser.submit_form(shown.find_form("/besluit"), {"besluit": "aannemen"})
