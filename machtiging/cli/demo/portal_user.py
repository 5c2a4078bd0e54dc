"""The people of the story in their browsers: log in, offer, accept, look, revoke."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote, urlsplit

import httpx

from machtiging.agencies.catalogue import find_catalogue_oin
from machtiging.agencies.rules import Theme
from machtiging.cli.demo.browser import Browser
from machtiging.cli.demo.environment import StoryEnvironment
from machtiging.cli.demo.html import HtmlPage
from machtiging.cli.demo.letters import CHOSEN_SENDERS, HIDDEN_THEME
from machtiging.cli.demo.narrator import StoryFailed, check_step
from machtiging.message_catalogue import get_sentence
from machtiging.simulators.personas import Persona, find_persona

_LETTER_PATH = re.compile(r"/.+/[0-9a-f-]{36}")
PURPOSE = "post bijhouden"
HELPER_NAME = "mijn zoon Bram"
ORGANISATION_PURPOSE = "orde in de post"
# The answers on each page of the wizard.
_OFFER_ANSWERS: tuple[dict[str, str | list[str]], ...] = (
    {"soort": "relative", "naam": HELPER_NAME, "doel": PURPOSE},
    {"keuze": "zelf"},
    {
        "organisaties": "kiezen",
        "afzenders": [find_catalogue_oin(name) for name in CHOSEN_SENDERS],
        "themas": [theme.value for theme in Theme if theme is not HIDDEN_THEME],
    },
    {"bestaand": "jaar", "gevoelig": "nee", "bijlagen": "ja"},
    {"duur": "90"},
)
# As asked of an organisation, after the page where she finds it.
_ORGANISATION_ANSWERS: tuple[dict[str, str | list[str]], ...] = (
    {"keuze": "behalve-medisch"},
    {"bestaand": "jaar", "gevoelig": "nee", "bijlagen": "ja"},
    {"duur": "90"},
)


@dataclass
class PortalUser:
    """A person with a browser."""

    environment: StoryEnvironment
    persona: Persona
    browser: Browser

    @classmethod
    async def log_in(cls, environment: StoryEnvironment, http: httpx.AsyncClient, key: str) -> PortalUser:
        """Log in through the login simulator, an employee perhaps as `key@kvk`. Raises StoryFailed."""
        persona = find_persona(key)
        if persona is None:
            raise StoryFailed("een oefenpersoon", key)
        browser = Browser(http, frozenset({environment.issuer, environment.broker}))
        page = await browser.open_page(f"{environment.issuer}/inloggen?terug=/machtigingen&login_hint={quote(key)}")
        someone = cls(environment, persona, browser)
        check_step(
            condition=persona.name in page.text,
            expected=f"ingelogd als {persona.name}",
            got=page.text[:200],
        )
        return someone

    def portal_url(self, path: str) -> str:
        """Return the URL of a portal path."""
        return self.environment.issuer + path

    async def open_path(self, path: str, *, expected_status: int = 200) -> HtmlPage:
        """Open a page of the portal. Raises StoryFailed when its status differs."""
        return await self.browser.open_page(self.portal_url(path), expected_status=expected_status)

    async def offer_machtiging(self) -> str:
        """Offer a machtiging through the wizard and return its code. Raises StoryFailed."""
        check = await self._answer_wizard(_OFFER_ANSWERS)
        for expected in (*CHOSEN_SENDERS, HELPER_NAME):
            check_step(
                condition=expected in check.text, expected=f"{expected} op de controlepagina", got=check.text[:400]
            )
        confirmation = await self.browser.submit_form(check.find_form("/controle"), {"akkoord": "ja"})
        check_step(
            condition=len(confirmation.codes) == 1, expected="precies één machtigingscode", got=confirmation.text[:200]
        )
        return confirmation.codes[0]

    async def offer_to_organisation(self, organisation: str) -> None:
        """Ask an organisation from the list for help with all but medical post. Raises StoryFailed."""
        found = await self._answer_wizard(
            ({"soort": "professional", "naam": organisation, "doel": ORGANISATION_PURPOSE},)
        )
        await self.browser.submit_form(found.find_form_with_field("zoek"), {"zoek": organisation})
        form = self.browser.page.find_form_with_field("organisatie")
        check = await self.browser.submit_form(form, {"organisatie": form.choices["organisatie"][0]})
        for answers in _ORGANISATION_ANSWERS:
            (form,) = [each for each in check.forms if set(answers) <= set(each.choices)]
            check = await self.browser.submit_form(form, answers)
        check_step(
            condition=organisation in check.text, expected=f"{organisation} op de controlepagina", got=check.text[:400]
        )
        await self.browser.submit_form(check.find_form("/controle"), {"akkoord": "ja"})

    async def _answer_wizard(self, pages: tuple[dict[str, str | list[str]], ...]) -> HtmlPage:
        page = await self.open_path("/helpers/nieuw")
        for answers in pages:
            (form,) = [each for each in page.forms if set(answers) <= set(each.choices)]
            page = await self.browser.submit_form(form, answers)
        return page

    async def accept_machtiging(self, code: str, birthdate: date) -> tuple[str, str]:
        """Accept an offer with code and birth date. Returns the text of the offer and the machtiging id."""
        form = (await self.browser.open_page(self.portal_url("/ik-help/code"))).find_form("/ik-help/code")
        answers: dict[str, str | list[str]] = {
            "code": code.lower().replace("-", " "),
            "geboren_dag": str(birthdate.day),
            "geboren_maand": str(birthdate.month),
            "geboren_jaar": str(birthdate.year),
        }
        shown = await self.browser.submit_form(form, answers)
        accepted = await self.browser.submit_form(shown.find_form("/besluit"), {"besluit": "aannemen"})
        is_confirmed = "U heeft de machtiging aangenomen" in accepted.text
        check_step(condition=is_confirmed, expected="de machtiging is aangenomen", got=accepted.text[:200])
        return shown.text, urlsplit(self.browser.url).path.rsplit("/", 1)[-1]

    async def find_unread(self, ids: set[str]) -> set[str]:
        """Return the letters that the citizen's box marks as new. Raises StoryFailed when one is missing."""
        page = await self.browser.open_page(self.portal_url("/brieven"))
        marks: dict[str, bool] = {}
        while True:
            for href, after in page.link_contexts:
                bericht_id = href.removeprefix("/brieven/")
                if bericht_id in ids:
                    marks[bericht_id] = after.endswith(get_sentence("letters.list.new_badge"))
            older = [href for href, word in page.links if word == get_sentence("frame.older")]
            if not older or len(marks) == len(ids):
                break
            page = await self.browser.open_page(self.portal_url(older[0]))
        check_step(condition=set(marks) == ids, expected=f"{len(ids)} brieven in haar eigen box", got=len(marks))
        return {bericht_id for bericht_id, new in marks.items() if new}

    async def read_older_letters(self, list_path: str, *, newest_left: int, at_most: int) -> None:
        """Open the older letters of a list, from old to new, at most so many."""
        letters: list[str] = []
        page = await self.browser.open_page(self.portal_url(list_path))
        while True:
            found = (href for href, _ in page.links if urlsplit(href).path.startswith(f"{list_path}/"))
            letters += [href for href in found if _LETTER_PATH.fullmatch(href)]
            older = [href for href, word in page.links if word == get_sentence("frame.older")]
            if not older:
                break
            page = await self.browser.open_page(self.portal_url(older[0]))
        for href in letters[newest_left : newest_left + at_most][::-1]:
            await self.browser.open_page(self.portal_url(href))

    async def read_overview(self) -> str:
        """Return the text of the citizen's access overview."""
        return (await self.browser.open_page(self.portal_url("/wie-keek-mee"))).text

    async def revoke_machtiging(self, machtiging_id: str) -> None:
        """Revoke a machtiging and confirm it. Raises StoryFailed."""
        sure = await self.browser.open_page(self.portal_url(f"/helpers/{machtiging_id}/intrekken"))
        confirmation = await self.browser.submit_form(sure.find_form("/intrekken"), {})
        check_step(
            condition="Gestopt" in confirmation.text,
            expected="de machtiging is ingetrokken",
            got=confirmation.text[:200],
        )
