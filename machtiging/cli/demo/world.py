"""The practice world after the story: living machtigingen, letters, and an office with clients.

The story ends with a machtiging that was withdrawn. Without this, who opens the portal after it would find little.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import httpx
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.catalogue import find_catalogue_oin
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.cli.demo.agency import DemoAgency
from machtiging.cli.demo.environment import StoryEnvironment, create_http_client
from machtiging.cli.demo.letters import BUSINESS_LETTERS, DemoLetter
from machtiging.cli.demo.organisation import add_checking_agency, invite_colleagues
from machtiging.cli.demo.portal_user import PortalUser
from machtiging.cli.demo.representatives import add_practice_business, add_practice_office, tell_practice_events
from machtiging.cli.demo.world_letters import build_letters_of_two_years
from machtiging.delegation.acceptance import CodeHolder, accept_offer
from machtiging.delegation.assignments.rules import EmployeeLogin
from machtiging.delegation.assignments.termination import end_assignments
from machtiging.delegation.authority.queries import find_authority_of_holder
from machtiging.delegation.code_check import CheckAnswer
from machtiging.delegation.help_requests.creation import RequestedHelp, create_help_request
from machtiging.delegation.help_requests.opening import open_help_request
from machtiging.delegation.help_requests.queries import load_own_request
from machtiging.delegation.help_requests.rules import RequestWords
from machtiging.delegation.offer import Giver, MachtigingTerms, derive_offer_id, offer_machtiging
from machtiging.delegation.queries import machtiging_table
from machtiging.delegation.rules import Act, Capacity, MachtigingLimits, MachtigingScope
from machtiging.identity.people import (
    Profile,
    find_or_create_by_broker,
    find_or_create_by_bsn,
    remember_language,
    save_profile,
)
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.birth_date import build_birth_date
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.clock import end_of_day, to_dutch_date
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.kernel.period import Period
from machtiging.simulators.personas import CLIENTS, PERSONAS, Persona
from machtiging.storage.unit_of_work import unit_of_work

_READ_AND_SAVE = frozenset({Act.LIST, Act.READ, Act.DOWNLOAD})
_LIMITS = MachtigingLimits(maximum_duration=timedelta(days=365), code_lifetime=timedelta(days=14))
_KINDS_OF_CLIENTS = 3
# The clients of the practice office: (name, birth date, test BSN). Nobody is real.
_CLIENTS = tuple((one.name, one.birthdate or "", one.bsn or "") for one in CLIENTS)
# Those of whom nobody reads the post now: for the administrator to assign.
_WITHOUT_READER = (
    ("Selma Bakker", "1966-10-20", "999990238"),
    ("Willem Postma", "1951-06-08", "999990251"),
)

_CLIENT_PATH = re.compile(r"/werk/clienten/[0-9a-f-]{36}")


@dataclass(frozen=True, slots=True)
class _Agreement:
    """The terms that one giver agrees to."""

    key: str
    purpose: str
    capacity: Capacity
    days: int
    excluded: frozenset[Theme] = frozenset({Theme.ZORG})
    sensitivity: Sensitivity = Sensitivity.GEWOON


_ALL_BUT_HEALTH = _Agreement("wereld-riet-bram", "samen de post doen", Capacity.RELATIVE, days=90)
_ENGLISH_AND_BRAM = _Agreement("wereld-grace-bram", "brieven uitleggen", Capacity.RELATIVE, days=20)
_NEIGHBOUR = _Agreement("wereld-bram-dennis", "helpen met formulieren", Capacity.RELATIVE, days=60)
_OFFICE = _Agreement(
    "wereld-kantoor", "orde brengen in de post", Capacity.PROFESSIONAL, days=180, sensitivity=Sensitivity.GEVOELIG
)


async def add_practice_world(environment: StoryEnvironment) -> int:
    """Add what is missing of the practice world. Returns the number of letters delivered now."""
    async with create_http_client() as http:
        world = _World(environment, http)
        son = await world.log_in("naaste")
        worker = await world.log_in("raadslid")
        riet, grace = await world.log_in("vertegenwoordigde"), await world.log_in("engelstalig")
        async with unit_of_work(environment.sessions) as session:
            await remember_language(session, grace.person_id, "en")
        await world.deliver_to(PERSONAS["vertegenwoordigde"].bsn, "Geachte mevrouw Van der Linden", "riet")
        await world.deliver_to(PERSONAS["engelstalig"].bsn, "Geachte mevrouw Mensah", "grace")
        await world.agree(riet, PERSONAS["vertegenwoordigde"].birthdate, son, _ALL_BUT_HEALTH)
        await world.agree(grace, PERSONAS["engelstalig"].birthdate, son, _ENGLISH_AND_BRAM)
        await world.read_letters()
        await world.ask_to_help(son, await world.log_in("burger-onder-bewind"))
        await world.add_representatives()
        for invited in await invite_colleagues(environment, worker.person_id):
            await world.log_in(invited)
        if await add_checking_agency(environment):
            await world.log_in("controleur")
        for name, born, bsn in (*_WITHOUT_READER, *_CLIENTS):
            client_id = await world.add_client(name, born, bsn)
            await world.deliver_to(bsn, f"Geachte {name}", bsn, kinds=_KINDS_OF_CLIENTS)
            has_reader = (name, born, bsn) not in _WITHOUT_READER
            await world.agree(client_id, born, worker, _OFFICE, is_assigned=has_reader)
        await world.read_letters_of_client()
        return world.delivered


async def is_practice_world_complete(environment: StoryEnvironment) -> bool:
    """Return true when some run made the last machtigingen of the practice world."""
    async with create_http_client() as http:
        world = _World(environment, http)
        for _, _, bsn in (_WITHOUT_READER[-1], _CLIENTS[-1]):
            async with unit_of_work(environment.sessions) as session:
                last = await find_or_create_by_bsn(session, environment.keyring, Bsn(bsn), at=environment.now())
            if not await world.has_agreed(last, _OFFICE):
                return False
    return True


def _build_scope(agreed: _Agreement, today: date) -> MachtigingScope:
    return MachtigingScope(
        afzenders=None,
        diensten=None,
        themes=None,
        excluded_themes=agreed.excluded,
        highest_sensitivity=agreed.sensitivity,
        letters_from=today - timedelta(days=2 * 365),
        acts=_READ_AND_SAVE,
    )


async def _end_assignment(
    session: AsyncSession, helper: CodeHolder, machtiging_id: MachtigingId, *, at: datetime
) -> None:
    assigned = await find_authority_of_holder(session, machtiging_id, helper.person_id, at=at)
    if assigned is not None:
        login = EmployeeLogin(helper.person_id, helper.kvk, helper.assurance)
        await end_assignments(session, login, [assigned.machtiging_id], at=at)


class _World:
    """The practice world while it is made."""

    def __init__(self, environment: StoryEnvironment, http: httpx.AsyncClient) -> None:
        self._environment, self._http = environment, http
        self._agencies: dict[str, DemoAgency] = {}
        self._users: dict[str, PortalUser] = {}
        self.delivered = 0

    async def log_in(self, key: str) -> CodeHolder:
        """Log this persona in once, as the first visit does, and return the person."""
        persona = PERSONAS[key]
        self._users[key] = await PortalUser.log_in(self._environment, self._http, key)
        return CodeHolder(await self._find_person(persona), Assurance.SUBSTANTIAL, persona.kvk)

    async def _find_person(self, persona: Persona) -> PersonId:
        environment = self._environment
        async with unit_of_work(environment.sessions) as session:
            if persona.bsn is not None:
                return await find_or_create_by_bsn(session, environment.keyring, Bsn(persona.bsn), at=environment.now())
            subject = persona.build_claims()["sub"]
            return await find_or_create_by_broker(
                session, environment.keyring, environment.broker, subject, at=environment.now()
            )

    async def add_client(self, name: str, born: str, bsn: str) -> CodeHolder:
        """Add a citizen who never logged in here."""
        environment, at = self._environment, self._environment.now()
        async with unit_of_work(environment.sessions) as session:
            person_id = await find_or_create_by_bsn(session, environment.keyring, Bsn(bsn), at=at)
            await save_profile(
                session,
                environment.keyring,
                person_id,
                Profile(name, date.fromisoformat(born), f"client-{bsn[-3:]}@post.example"),
            )
        return CodeHolder(person_id, Assurance.SUBSTANTIAL, None)

    async def deliver_to(self, bsn: str | None, greeting: str, key: str, **limits: int) -> None:
        """Deliver the letters of two years to one person."""
        for letter in build_letters_of_two_years(greeting, key, **limits):
            agency = await self._agency_of(letter)
            self.delivered += await agency.deliver_once(letter, bsn or "", f"wereld-{letter.reference}")

    async def _agency_of(self, letter: DemoLetter) -> DemoAgency:
        if letter.sender not in self._agencies:
            oin = find_catalogue_oin(letter.sender)
            self._agencies[letter.sender] = await DemoAgency.register_sender(
                self._environment, self._http, letter.sender, oin
            )
        return self._agencies[letter.sender]

    async def agree(
        self,
        giver: CodeHolder,
        born: str | None,
        helper: CodeHolder,
        agreed: _Agreement,
        *,
        is_assigned: bool = True,
    ) -> None:
        """Offer and accept a machtiging; nothing happens if it is there already.

        `is_assigned`: False to end the assignment of the employee who accepted.
        """
        environment, at = self._environment, self._environment.now()
        today = to_dutch_date(at)
        scope = _build_scope(agreed, today)
        period = Period(at, end_of_day(today + timedelta(days=agreed.days)))
        terms = MachtigingTerms(agreed.capacity, agreed.purpose, "toestemming", scope, period)
        by = Giver(giver.person_id, giver.assurance, agreed.key)
        answer = CheckAnswer(build_birth_date(*(int(part) for part in (born or "").split("-"))), "")
        if await self.has_agreed(giver.person_id, agreed):
            return
        # One transaction: when this is stopped halfway, the next run must not find an offer that nobody accepts.
        async with unit_of_work(environment.sessions) as session:
            offer = await offer_machtiging(session, environment.keyring, _LIMITS, by, terms, at=at)
            await accept_offer(session, environment.keyring, helper, offer.code, answer, at=at)
            if not is_assigned:
                await _end_assignment(session, helper, offer.machtiging_id, at=at)

    async def ask_to_help(self, relative: CodeHolder, citizen: CodeHolder) -> None:
        """Let the relative ask to help, and the citizen open that without an answer."""
        environment, at = self._environment, self._environment.now()
        today, keyring = to_dutch_date(at), environment.keyring
        words = RequestWords("Dennis", "Bram van de buren", _NEIGHBOUR.purpose)
        content = RequestedHelp(words, _build_scope(_NEIGHBOUR, today), today + timedelta(days=_NEIGHBOUR.days))
        async with unit_of_work(environment.sessions) as session:
            request_id = await create_help_request(session, keyring, _LIMITS, relative, content, _NEIGHBOUR.key, at=at)
            request = await load_own_request(session, keyring, request_id, relative.person_id)
            if request is not None:
                opener = Giver(citizen.person_id, citizen.assurance)
                await open_help_request(session, keyring, opener, request.words.code, at=at)

    async def add_representatives(self) -> None:
        """Add those who are represented by law or court, a business, their letters and representatives."""
        for key in ("client-onder-bewind", "kind"):
            persona = PERSONAS[key]
            await self.add_client(persona.name, persona.birthdate or "", persona.bsn or "")
            await self.deliver_to(persona.bsn, f"Geachte {persona.name}", key, kinds=_KINDS_OF_CLIENTS)
        await add_practice_office(self._environment)
        await self.log_in("bewindvoerder")
        await add_practice_business(self._environment)
        await self.log_in("bestuurder")
        for letter in BUSINESS_LETTERS:
            agency = await self._agency_of(letter)
            kvk = PERSONAS["bestuurder"].kvk or ""
            reference = f"wereld-bedrijf-{letter.reference}"
            self.delivered += await agency.deliver_once(letter, kvk, reference, number_type="KVK")
        await tell_practice_events(self._environment)

    async def read_letters(self) -> None:
        """Let the citizens read their older letters, and the son a few."""
        for key in ("vertegenwoordigde", "engelstalig"):
            await self._users[key].read_older_letters("/brieven", newest_left=3, at_most=100)
        son = self._users["naaste"]
        overview = await son.browser.open_page(son.portal_url("/ik-help"))
        for path in sorted({href for href, _ in overview.links if href.endswith("/brieven")}):
            await son.read_older_letters(path, newest_left=1, at_most=2)

    async def has_agreed(self, giver_id: PersonId, agreed: _Agreement) -> bool:
        """Return true when an earlier run made this machtiging, whatever became of it."""
        by = Giver(giver_id, Assurance.SUBSTANTIAL, agreed.key)
        table = machtiging_table()
        same_id = select(table.c.id).where(table.c.id == derive_offer_id(self._environment.keyring, by))
        async with self._environment.sessions() as session:
            return await session.scalar(same_id) is not None

    async def read_letters_of_client(self) -> None:
        """Let the social worker read for one client, which the client and toezicht can see."""
        worker = self._users["raadslid"]
        clients = await worker.browser.open_page(worker.portal_url("/werk/clienten"))
        found = [href for href, _ in clients.links if _CLIENT_PATH.fullmatch(href)]
        for path in found[-1:]:
            await worker.read_older_letters(f"{path}/brieven", newest_left=1, at_most=2)
