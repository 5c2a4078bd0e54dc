"""A history of access, with acts on chains and real clients of their holders.

It also reads the pages of the citizen. One person is a relative of the citizen, an employee of the organisation, and an
employee of another one.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from machtiging.cli.demo.narrator import StoryFailed
from machtiging.delegation.assignments.rules import EmployeeLogin
from machtiging.delegation.assignments.termination import end_assignments
from machtiging.identity.session import SESSION_COOKIE
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Conflict, Refusal
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.flow import OAuthWorld
from tests.builders.letters import BerichtenboxWorld
from tests.builders.organisations import add_employee, add_organisation
from tests.builders.people import ISSUER, LoginBrowser, start_login_session
from tests.builders.portal import Portal
from tests.builders.tokens import (
    ARCHIEF,
    SERVICE_KEYS,
    make_exchanger_metadata,
    make_server_metadata,
    open_oauth_world,
    register_refreshing_app,
)
from tests.protocol.authority.holder_client import HolderClient
from tests.storage.delegation.authority_history import CHAINS, History, Model
from tests.storage.organisations.organisation_world import OrganisationWorld

HOLDERS = ("relative", "worker", "member", "elsewhere")
ACCESS_CHAINS = CHAINS | {"elsewhere": ("far", "c")}
OTHER_KVK = "90009998"
ROOTS = {"kin": ("relative",), "root": ("worker", "member"), "far": ("elsewhere",)}
ONE_SECOND = timedelta(seconds=1)
WAITS = {"minutes": timedelta(minutes=11), "hours": timedelta(hours=7)}


@dataclass
class AccessHistory(History):
    """A history with the whole service, and with a client for each holder."""

    portal: Portal = field(kw_only=True)
    letters: dict[str, str] = field(kw_only=True)
    login_levels: dict[str, Assurance] = field(default_factory=dict, kw_only=True)
    oauth: OAuthWorld = field(init=False)
    apps: dict[str, Any] = field(default_factory=dict)
    clients: dict[str, HolderClient] = field(default_factory=dict)
    reads: Counter[tuple[str, str]] = field(default_factory=Counter)

    async def begin_history(self) -> None:
        """Make the chains of both organisations, and log every holder in at an app."""
        self.oauth = open_oauth_world(self.portal)
        await self.begin_chains()
        async with unit_of_work(self.box.sessions) as session:
            other = await add_organisation(session, OTHER_KVK)
            self.people["elsewhere"] = self.people["worker"]
            employee = await add_employee(session, other, self.people["elsewhere"])
            await self.add_link(session, "far", gemachtigde_id=other)
            await self.add_link(session, "c", parent="far", employee_id=employee)
        self.apps = {
            "app": await register_refreshing_app(self.oauth),
            "huis": await self.oauth.add(make_exchanger_metadata(), SERVICE_KEYS),
            "archief": await self.oauth.add(
                make_server_metadata(client_name="Archief", resource=ARCHIEF), SERVICE_KEYS
            ),
        }
        self.clients = {holder: HolderClient(self, holder) for holder in HOLDERS}
        await self.renew_clients()

    def find_relative(self) -> Any:
        return self.people["worker"]

    def kvk_of(self, holder: str) -> str | None:
        return OTHER_KVK if holder == "elsewhere" else super().kvk_of(holder)

    def can_use_several(self, holder: str) -> bool:
        """Tell if a token for all that is held stands. Of an employee the assignments are not asked."""
        model = self.model
        if self.kvk_of(holder) is None:
            return model.can_act(holder)
        is_high = self.login_levels.get(holder) is Assurance.HIGH
        stands = not model.is_of_organisation(holder) or (
            model.recognition == "erkend" and (is_high or not model.needs_high)
        )
        return stands and holder not in model.inactive | model.departed | model.expired_names

    async def open_browser(self, person: Any, kvk: str | None, level: Assurance) -> LoginBrowser:
        """A browser with a new login of this person, perhaps for an organisation."""
        services = self.portal.app.state.services
        browser = LoginBrowser({ISSUER: self.portal.app})
        browser.http.cookies.set(SESSION_COOKIE, await start_login_session(services, person, level, kvk))
        return browser

    async def renew_clients(self) -> None:
        """Log in again for every holder who can act and whose tokens are over."""
        for client in self.clients.values():
            if self.model.can_act(client.holder) and not client.is_alive("access"):
                await client.log_in()

    async def perform_together(self, steps: Iterable[str]) -> int:
        """Do these acts at once, while every holder reads and refreshes. Returns the number that was done.

        A request that starts after the last answer is compared with the model; one before it may see either.
        """
        before = {holder: self.clients[holder].may_read() for holder in HOLDERS}
        answered = asyncio.Event()
        requests = [asyncio.create_task(client.read_until(answered)) for client in self.clients.values()]
        try:
            done = await asyncio.gather(*(self.perform_step(step) for step in steps))
        finally:
            answered.set()
            results = await asyncio.gather(*requests)
        for holder, reads in zip(self.clients, results, strict=True):
            after = self.clients[holder].may_read()
            for kind, (early, late) in reads.items():
                assert set(early) <= {before[holder][kind], after[kind]}, (holder, kind, early)
                assert late == after[kind], (holder, kind, "a request that started after the answer")
        return sum(done)

    async def compare_all(self) -> None:
        """Compare every credential of every holder, and the pages of the citizen, with the model."""
        await asyncio.gather(self.compare_readers_on_pages(), *(each.compare() for each in self.clients.values()))

    # The citizen

    async def compare_readers_on_pages(self) -> None:
        """The page of each machtiging names exactly those who may read now."""
        mother = await self.open_browser(self.box.citizen, None, Assurance.SUBSTANTIAL)
        for root, holders in ROOTS.items():
            page = (await mother.get(f"/helpers/{self.links[root]}")).text
            stands = "Deze machtiging werkt nu." in page
            (heading,) = re.findall("<h1>(.*?)</h1>", page)
            shown = {holder for holder in holders if stands and self.name_of(holder) in heading}
            is_too_low = root == "root" and self.model.needs_high and self.link_level is not Assurance.HIGH
            expected = {holder for holder in holders if self.model.is_in_force(holder) and not is_too_low}
            assert shown == expected, (root, heading)

    async def compare_reads_on_page(self) -> None:
        """The access history of the citizen has every letter read, its reader and organisation."""
        mother, shown, url = (
            await self.open_browser(self.box.citizen, None, Assurance.SUBSTANTIAL),
            Counter(),
            "/wie-keek-mee",
        )
        while url:
            page = (await mother.get(url)).text
            for entry in re.split(r'<li(?: class="m-refused")?>\s*(?=<p><strong>)', page)[1:]:
                who, phrase = re.findall(r"<strong>(.*?)</strong> ([^<]*)", entry)[0]
                if phrase.startswith("las een brief") and "Dat mocht niet." not in entry:
                    times = re.search(r"(\d+) keer (?:in één minuut|op deze dag)", phrase)
                    letter = re.findall(r'href="/brieven/([^"]+)"', entry)[0]
                    shown[who, letter] += int(times[1]) if times else 1
            older = re.search(r'href="(/wie-keek-mee\?voor=[^"]+)"', page)
            url = older and older[1].replace("&amp;", "&")
        assert shown == self.reads

    def name_of(self, holder: str) -> str:
        """The name of the person. That of one person is the same for every login."""
        return f"{'member' if holder == 'member' else 'worker'}-{self.kvk}"

    def record_read(self, holder: str, letter: str) -> None:
        kvk = self.kvk_of(holder)
        self.reads[self.name_of(holder) + (f", namens Wijkteam {kvk}," if kvk else ""), letter] += 1

    # Acts that other histories have not

    async def do_withdraw(self, link: str) -> None:
        """The citizen withdraws on the portal."""
        browser = await self.portal.browser_of(self.box.citizen)
        page = await browser.open_page(f"{ISSUER}/helpers/{self.links[link]}/intrekken")
        if not any(form.action.endswith("/intrekken") for form in page.forms):
            raise Conflict("machtiging_beeindigd")
        try:
            await browser.submit_form(page.find_form("/intrekken"), {})
        except StoryFailed:  # ended by somebody else between the page and the button: the page says so
            if browser.status != 409:
                raise
            raise Conflict("machtiging_beeindigd") from None
        self.model.ended.add(link)

    async def do_end_assignment(self, link: str) -> None:
        login = EmployeeLogin(self.administrator.person_id, self.kvk, Assurance.SUBSTANTIAL)
        (result,) = await self.acts.do(end_assignments, login, [self.links[link]])
        if isinstance(result, Refusal):
            raise result
        self.model.ended.add(link)

    async def do_wait(self, what: str) -> None:
        """Let time pass. Up to the next end, with tokens of the second before it."""
        clock = self.box.clock
        if what in WAITS:
            return clock.advance(WAITS[what])
        ahead = [end for end in self.model.ends.values() if end > clock.now() + ONE_SECOND]
        if not ahead:
            raise Conflict("geen_einde")
        clock.advance(min(ahead) - ONE_SECOND - clock.now())
        await self.renew_clients()
        for client in self.clients.values():
            await client.begin_download()
        clock.advance(ONE_SECOND)
        return None


async def make_access_history(
    box: BerichtenboxWorld, portal: Portal, letters: dict[str, str], model: Model, **levels: Any
) -> AccessHistory:
    """A history that has begun, with two operators for the acts. `levels`: of the links and the logins."""
    acts = OrganisationWorld(box, box.clock)
    await acts.add_operators()
    history = AccessHistory(box, acts, "90000001", model, portal=portal, letters=letters, **levels)
    model.clock, model.chains = box.clock, ACCESS_CHAINS
    await history.begin_history()
    return history
