"""The portal as people meet it. The assembled service on a database of one's own, and browsers that are logged in."""

from __future__ import annotations

import functools
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from machtiging.app import create_app
from machtiging.cli.demo.browser import Browser
from machtiging.cli.demo.html import HtmlPage
from machtiging.identity.session import SESSION_COOKIE
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import PersonId
from machtiging.settings import Environment, Settings
from tests.builders.applications import POLICIES, copy_application
from tests.builders.keys import make_key_directory
from tests.builders.machtiging import Committed
from tests.builders.people import BORN, BROKER, ISSUER, People, start_login_session

OFFER = "/machtigingen/aanbieden"
ACCEPT = "/machtigingen/aannemen"


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

    async def browser_of(
        self, person: PersonId, assurance: Assurance = Assurance.SUBSTANTIAL, kvk: str | None = None
    ) -> Browser:
        """A browser in which this person has logged in. With a KvK number: as an employee."""
        token = await start_login_session(self.app.state.services, person, assurance, kvk)
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


def make_offer_form(**changes: Any) -> dict[str, Any]:
    """The answers of somebody who fills in the offer form without a mistake."""
    answers: dict[str, Any] = {
        "soort": "relative",
        "doel": "post bijhouden",
        "afzenders": ["00000099000000003000"],
        "uitgesloten": ["zorg"],
        "gevoelig": "gewoon",
        "mag": "downloaden",
        "vanaf_dag": "1",
        "vanaf_maand": "9",
        "vanaf_jaar": "2026",
        "duur": "90",
        "einde_dag": "",
        "einde_maand": "",
        "einde_jaar": "",
    }
    return answers | changes


async def open_offer(browser: Browser) -> HtmlPage:
    return await browser.open_page(ISSUER + OFFER)


async def fill_offer(browser: Browser, *, expect: int = 200, **changes: Any) -> HtmlPage:
    """Open the form, fill it in with these changes, send it."""
    form = (await open_offer(browser)).find_form(OFFER)
    # What nobody ticks is not sent, so the boxes that come ticked are taken off first.
    emptied = replace(form, values={"csrf": form.values["csrf"]})
    return await browser.submit_form(emptied, make_offer_form(**changes), expected_status=expect)


async def make_offer(browser: Browser, **changes: Any) -> str:
    """Offer, and read the code from the page that shows it once."""
    check = await fill_offer(browser, **changes)
    made = await browser.submit_form(check.find_form(OFFER), {"akkoord": "ja"})
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
