"""The people of the story in their browsers: log in, offer, accept, look, revoke."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlsplit

import httpx

from machtiging.agencies.catalogue import oin_of
from machtiging.cli.demo.browser import Browser
from machtiging.cli.demo.letters import CHOSEN, LETTERS_FROM_DAYS
from machtiging.cli.demo.telling import expect
from machtiging.cli.demo.world import World
from machtiging.kernel.clock import day_in_the_netherlands
from machtiging.simulators.personas import PERSONAS, Persona

PURPOSE = "post bijhouden"


@dataclass
class Someone:
    """A person with a browser."""

    world: World
    persona: Persona
    browser: Browser

    @classmethod
    async def logs_in(cls, world: World, http: httpx.AsyncClient, key: str) -> Someone:
        """Log in through the login simulator. Raises StoryFailed."""
        browser = Browser(http, frozenset({world.issuer, world.broker}))
        page = await browser.open(f"{world.issuer}/inloggen?terug=/machtigingen&login_hint={key}")
        someone = cls(world, PERSONAS[key], browser)
        expect(that=PERSONAS[key].name in page.text, expected=f"ingelogd als {PERSONAS[key].name}", got=page.text[:200])
        return someone

    def page(self, path: str) -> str:
        """Return the URL of a portal path."""
        return self.world.issuer + path

    async def offers(self) -> str:
        """Offer a machtiging through the form and return its code. Raises StoryFailed."""
        form = (await self.browser.open(self.page("/machtigingen/aanbieden"))).form("/machtigingen/aanbieden")
        since = day_in_the_netherlands(self.world.now()) - timedelta(days=LETTERS_FROM_DAYS)
        answers: dict[str, str | list[str]] = {
            "soort": "relative",
            "doel": PURPOSE,
            "afzenders": [oin_of(name) for name in CHOSEN],
            "uitgesloten": ["zorg"],
            "gevoelig": "gewoon",
            "mag": "downloaden",
            "duur": "90",
            "vanaf_dag": str(since.day),
            "vanaf_maand": str(since.month),
            "vanaf_jaar": str(since.year),
        }
        check = await self.browser.submit(form, answers)
        for name in CHOSEN:
            expect(that=name in check.text, expected=f"{name} op de controlepagina", got=check.text[:400])
        made = await self.browser.submit(check.form("/machtigingen/aanbieden"), {"akkoord": "ja"})
        expect(that=len(made.codes) == 1, expected="precies één machtigingscode", got=made.text[:200])
        return made.codes[0]

    async def accepts(self, code: str, born: date) -> tuple[str, str]:
        """Accept an offer with code and birth date. Returns the text of the offer and the machtiging id."""
        form = (await self.browser.open(self.page("/machtigingen/aannemen"))).form("/machtigingen/aannemen")
        answers: dict[str, str | list[str]] = {
            "code": code.lower().replace("-", " "),
            "geboren_dag": str(born.day),
            "geboren_maand": str(born.month),
            "geboren_jaar": str(born.year),
        }
        shown = await self.browser.submit(form, answers)
        accepted = await self.browser.submit(shown.form("/besluit"), {"besluit": "aannemen"})
        told = "U heeft de machtiging aangenomen" in accepted.text
        expect(that=told, expected="de machtiging is aangenomen", got=accepted.text[:200])
        return shown.text, urlsplit(self.browser.url).path.rsplit("/", 1)[-1]

    async def unread(self, ids: set[str]) -> set[str]:
        """Return the letters that the citizen's box marks as new. Raises StoryFailed when one is missing."""
        page = await self.browser.open(self.page("/berichten"))
        marks: dict[str, bool] = {}
        while True:
            for href, after in page.trails:
                bericht_id = href.removeprefix("/berichten/")
                if bericht_id in ids:
                    marks[bericht_id] = after.endswith("nieuw")
            older = [href for href, word in page.links if word == "Ouder"]
            if not older or len(marks) == len(ids):
                break
            page = await self.browser.open(self.page(older[0]))
        expect(that=set(marks) == ids, expected=f"{len(ids)} brieven in haar eigen box", got=len(marks))
        return {bericht_id for bericht_id, new in marks.items() if new}

    async def who_looked(self) -> str:
        """Return the text of the citizen's access overview."""
        return (await self.browser.open(self.page("/inzage"))).text

    async def revokes(self, machtiging_id: str) -> None:
        """Revoke a machtiging and confirm it. Raises StoryFailed."""
        sure = await self.browser.open(self.page(f"/machtigingen/{machtiging_id}/intrekken"))
        done = await self.browser.submit(sure.form("/intrekken"), {})
        expect(that="Ingetrokken" in done.text, expected="de machtiging is ingetrokken", got=done.text[:200])
