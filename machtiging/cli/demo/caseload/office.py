"""Acts of an administrator on the pages of an organisation."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlsplit

from machtiging.cli.demo.html import HtmlPage
from machtiging.cli.demo.narrator import StoryFailed, check_step
from machtiging.cli.demo.portal_user import PortalUser
from machtiging.organisations.rules import EmployeeRole
from machtiging.simulators.personas import Persona

CLIENTS_PATH, OFFERS_PATH = "/organisatie", "/organisatie/aangeboden"
EMPLOYEES_PATH, HANDOVERS_PATH = "/organisatie/medewerkers", "/organisatie/overdrachten"
_STAND_INS_PATH, _INVITATION_PATH = "/organisatie/vervangingen", "/organisatie/medewerkers/uitnodigen"


@dataclass(frozen=True, slots=True)
class StoryOffice:
    """The organisation in the browser of its administrator."""

    administrator: PortalUser

    async def invite_care_worker(self, persona: Persona) -> None:
        """Invite an employee who reads post. Raises StoryFailed."""
        form = (await self.administrator.open_path(_INVITATION_PATH)).find_form("/uitnodigen")
        answers: dict[str, str | list[str]] = {
            "naam": persona.name,
            "inlogkenmerk": persona.build_claims()["sub"],
            "rol": [EmployeeRole.CARE_WORKER.value],
        }
        await self.administrator.browser.submit_form(form, answers)

    async def accept_offers(self) -> int:
        """Accept all that citizens offered. Returns their number."""
        page, accepted = await self.administrator.open_path(OFFERS_PATH), 0
        for path in _find_paths(page, f"{OFFERS_PATH}/"):
            form = (await self.administrator.open_path(path)).find_form(path)
            await self.administrator.browser.submit_form(form, {"besluit": "aannemen"})
            accepted += 1
        return accepted

    async def assign_clients(self, count: int, employee: Persona, *, path: str = CLIENTS_PATH) -> list[str]:
        """Assign the first clients of a page to an employee. Returns their names. Raises StoryFailed."""
        page = await self.administrator.open_path(path)
        form = page.find_form_with_field("medewerker")
        clients = form.choices["client"][:count]
        names = [_find_words(page, f"/organisatie/clienten/{one}") for one in clients]
        chosen = await self._find_employee_id(employee)
        # The address of the form: the list of employees was opened in between.
        await self.administrator.open_path(path)
        answers: dict[str, str | list[str]] = {"client": clients, "medewerker": chosen}
        results = await self.administrator.browser.submit_form(form, answers)
        is_done = all(name in results.text for name in names) and len(clients) == count
        check_step(condition=is_done, expected=f"{count} cliënten toegewezen", got=results.text[:400])
        return names

    async def count_waiting(self) -> int:
        """Return the number of clients in the hand-over queue, of at most one page."""
        page = await self.administrator.open_path(HANDOVERS_PATH)
        return len(_find_paths(page, "/organisatie/clienten/"))

    async def arrange_stand_in(self, absent: Persona, replacement: Persona, first: date, last: date) -> None:
        """Let a colleague stand in from the first to the last day. Raises StoryFailed."""
        answers: dict[str, str | list[str]] = {
            "afwezige": await self._find_employee_id(absent),
            "vervanger": await self._find_employee_id(replacement),
        }
        for name, day in (("van", first), ("tot", last)):
            answers |= {f"{name}_dag": str(day.day), f"{name}_maand": str(day.month), f"{name}_jaar": str(day.year)}
        page = await self.administrator.open_path(_STAND_INS_PATH)
        await self.administrator.browser.submit_form(page.find_form_with_field("afwezige"), answers)

    async def record_departure(self, employee: Persona) -> None:
        """Record that an employee left. Raises StoryFailed."""
        path = f"{EMPLOYEES_PATH}/{await self._find_employee_id(employee)}/vertrek"
        sure = await self.administrator.open_path(path)
        await self.administrator.browser.submit_form(sure.find_form("/vertrek"), {})

    async def _find_employee_id(self, employee: Persona) -> str:
        page = await self.administrator.open_path(EMPLOYEES_PATH)
        for href, text in page.links:
            path = urlsplit(href).path
            if text == employee.name and path.startswith(f"{EMPLOYEES_PATH}/"):
                return path.rsplit("/", 1)[-1]
        raise StoryFailed(f"{employee.name} in de lijst van medewerkers", page.text[:300])


def _find_paths(page: HtmlPage, beginning: str) -> list[str]:
    """Return the paths of the links that begin so, each once, in order."""
    return list(dict.fromkeys(path for href, _ in page.links if (path := urlsplit(href).path).startswith(beginning)))


def _find_words(page: HtmlPage, path: str) -> str:
    """Return the last words of a link: the name that only a screen reader says."""
    found: Collection[str] = [text for href, text in page.links if urlsplit(href).path == path]
    return list(found)[-1] if found else ""
