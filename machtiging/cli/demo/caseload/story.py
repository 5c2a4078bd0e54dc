"""The second story: a caseload on Monday morning.

An organisation is recognised, gets twelve clients and loses its recognition. It has seven steps and uses HTTP against
the running servers, with real logins, pages and tokens. Every step checks its result.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field, replace
from datetime import timedelta
from urllib.parse import urlsplit

import httpx

from machtiging.cli.demo.agency import DemoAgency
from machtiging.cli.demo.caseload.office import CLIENTS_PATH, HANDOVERS_PATH, StoryOffice
from machtiging.cli.demo.caseload.recognition import Operators
from machtiging.cli.demo.environment import StoryEnvironment, create_http_client
from machtiging.cli.demo.letters import LETTERS
from machtiging.cli.demo.narrator import StoryNarrator, check_step
from machtiging.cli.demo.portal_user import PortalUser
from machtiging.cli.demo.reading_app import ReadingApp
from machtiging.kernel.clock import to_dutch_date
from machtiging.message_catalogue import get_sentence
from machtiging.organisations.rules import RecognitionStatus
from machtiging.simulators.personas import CLIENTS, TEAM, Persona

ORGANISATION_NAME = "Wijkteam Oefenstad"
_ADMINISTRATOR, _HELPER, _COLLEAGUE = TEAM
_OF_HELPER, _OF_COLLEAGUE = 8, 4
_STAND_IN_DAYS = 6
_LETTER_PATH = re.compile(r"/werk/clienten/[^/]+/brieven/[^/]+")
# Practice numbers of organisations begin with a nine.
_FIRST_KVK, _LAST_KVK = 91_000_000, 99_999_999


@dataclass(frozen=True, slots=True)
class DeliveredLetter:
    """A letter of a client, as one employee finds it."""

    machtiging_id: str
    bericht_id: str
    client: Persona

    @property
    def path(self) -> str:
        """The page of the letter in the portal."""
        return f"/werk/clienten/{self.machtiging_id}/brieven/{self.bericht_id}"

    @property
    def api_path(self) -> str:
        """The letter in the API."""
        return f"/machtigingen/{self.machtiging_id}/berichten/{self.bericht_id}"


@dataclass
class CaseloadStory:
    """The progress of one run of the second story."""

    environment: StoryEnvironment
    narrator: StoryNarrator
    http: httpx.AsyncClient
    kvk: str = field(default_factory=lambda: str(_FIRST_KVK + secrets.randbelow(_LAST_KVK - _FIRST_KVK)))
    # Letters of this run, each with its addressee.
    addressees: dict[str, Persona] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the organisation, with its number, so that two runs differ."""
        return f"{ORGANISATION_NAME} {self.kvk}"

    async def log_in(self, persona: Persona) -> PortalUser:
        """Log in, an employee for the organisation of this run."""
        hint = persona.key if persona.bsn else f"{persona.key}@{self.kvk}"
        return await PortalUser.log_in(self.environment, self.http, hint)

    async def find_letters(self, employee: PortalUser) -> list[DeliveredLetter]:
        """Return the letters of this run on the employee's page of today."""
        page = await employee.open_path("/werk")
        paths = {path for href, _ in page.links if _LETTER_PATH.fullmatch(path := urlsplit(href).path)}
        found = [path.split("/")[3::2] for path in sorted(paths)]
        return [DeliveredLetter(one, id_, self.addressees[id_]) for one, id_ in found if id_ in self.addressees]

    def tell_event(self, what: str, module: str) -> None:
        """Print one event."""
        self.narrator.tell_event(what, module)


async def play_caseload_story(environment: StoryEnvironment, narrator: StoryNarrator) -> None:
    """Play the second story. Raises StoryFailed at the first step that fails."""
    async with create_http_client() as http:
        story = CaseloadStory(environment, narrator, http)
        operators = Operators(
            await PortalUser.log_in(environment, http, "beheerder"),
            await PortalUser.log_in(environment, http, "tweede-beheerder"),
        )
        narrator.begin_step(8, "Een wijkteam wordt erkend, door twee mensen")
        page = await _recognise_organisation(story, operators)
        narrator.begin_step(9, "Twaalf mensen vragen het wijkteam om hulp")
        office = await _hire_team(story)
        await _ask_for_help(story, office)
        narrator.begin_step(10, "De beheerder wijst toe, en maandagochtend is er post")
        helper = await _assign_and_deliver(story, office)
        narrator.begin_step(11, "Hij leest, in het portaal en in zijn eigen app")
        app, letter = await _read_letters(story, helper)
        narrator.begin_step(12, "Een collega valt voor hem in")
        colleague = await _stand_in(story, office, letter)
        narrator.begin_step(13, "Hij gaat weg, en zijn cliënten wachten op een ander")
        await _leave(story, office, helper, app, letter)
        narrator.begin_step(14, "De erkenning wordt ingetrokken, en alles is meteen voorbij")
        await _withdraw_recognition(story, operators, page, office, colleague)


async def _recognise_organisation(story: CaseloadStory, operators: Operators) -> str:
    page = await operators.register_organisation(story.name, story.kvk)
    story.tell_event(f"{story.name} vraagt erkenning", "organisations/registration.py")
    await operators.decide_recognition(page, RecognitionStatus.RECOGNISED)
    first, second = operators.proposing.persona.name, operators.confirming.persona.name
    story.tell_event(
        f"{first} stelt voor en mag zelf niet bevestigen; {second} doet dat", "organisations/recognition.py"
    )
    await operators.invite_administrator(page, _ADMINISTRATOR)
    story.tell_event(f"{_ADMINISTRATOR.name} wordt beheerder van het wijkteam", "organisations/employees.py")
    return page


async def _hire_team(story: CaseloadStory) -> StoryOffice:
    office = StoryOffice(await story.log_in(_ADMINISTRATOR))
    for persona in (_HELPER, _COLLEAGUE):
        await office.invite_care_worker(persona)
    story.tell_event(f"zij nodigt {_HELPER.name} en {_COLLEAGUE.name} uit", "portal/organisation/employees.py")
    return office


async def _ask_for_help(story: CaseloadStory, office: StoryOffice) -> None:
    for client in CLIENTS:
        await (await story.log_in(client)).offer_to_organisation(story.name)
    story.tell_event(
        f"{len(CLIENTS)} mensen loggen in, vinden het wijkteam in de lijst en geven 90 dagen", "portal/giving/routes.py"
    )
    accepted = await office.accept_offers()
    check_step(condition=accepted == len(CLIENTS), expected=f"{len(CLIENTS)} aangenomen", got=accepted)
    story.tell_event("het wijkteam neemt aan; nog niemand leest", "delegation/directed_offers/decision.py")
    for persona in (_HELPER, _COLLEAGUE):
        nothing = await (await story.log_in(persona)).open_path("/werk/clienten")
        visible = [client.name for client in CLIENTS if client.name in nothing.text]
        check_step(condition=not visible, expected="geen cliënt zonder toewijzing", got=visible)


async def _assign_and_deliver(story: CaseloadStory, office: StoryOffice) -> PortalUser:
    for count, persona in ((_OF_HELPER, _HELPER), (_OF_COLLEAGUE, _COLLEAGUE)):
        await office.assign_clients(count, persona)
        story.tell_event(f"{persona.name} krijgt {count} cliënten", "delegation/assignments/creation.py")
    agency = await DemoAgency.register_sender(story.environment, story.http, LETTERS[0].sender, LETTERS[0].sender_oin)
    for client in CLIENTS:
        letter = replace(LETTERS[0], inhoud=f"Geachte {client.name},\n\nDit is uw aanslag. U betaalt 612,40 euro.")
        bericht_id = await agency.deliver_letter(letter, client.bsn or "", f"maandag-{story.kvk}-{client.key}")
        story.addressees[bericht_id] = client
    story.tell_event(f"{len(CLIENTS)} brieven zijn afgeleverd, een voor elke cliënt", "berichtenbox/aanlevering.py")
    return await story.log_in(_HELPER)


async def _read_letters(story: CaseloadStory, helper: PortalUser) -> tuple[ReadingApp, DeliveredLetter]:
    letters = await story.find_letters(helper)
    check_step(condition=len(letters) == _OF_HELPER, expected=f"{_OF_HELPER} brieven vandaag", got=len(letters))
    letter = letters[0]
    shown = await helper.open_path(letter.path)
    client = letter.client
    check_step(condition=f"Geachte {client.name}" in shown.text, expected="de brief zelf", got=shown.text[:300])
    story.tell_event(f"hij opent de brief van {client.name} vanuit 'Vandaag'", "portal/work/today.py")
    other = await (await story.log_in(_COLLEAGUE)).open_path(letter.path, expected_status=404)
    check_step(condition=client.name not in other.text, expected="niets voor zijn collega", got=other.text[:300])
    story.tell_event(f"voor {_COLLEAGUE.name} bestaat die brief niet", "access/guard.py")
    citizen = await story.log_in(client)
    overview = await citizen.read_overview()
    check_step(condition=_HELPER.name in overview, expected=f"{_HELPER.name} in het overzicht", got=overview[:400])
    unread = await citizen.find_unread({letter.bericht_id})
    check_step(condition=unread == {letter.bericht_id}, expected="haar eigen brief nog ongelezen", got=unread)
    story.tell_event(f"{client.name} ziet wie las; de brief blijft nieuw", "portal/access_history/routes.py")
    return await _read_in_app(story, helper, letters), letter


async def _read_in_app(story: CaseloadStory, helper: PortalUser, letters: list[DeliveredLetter]) -> ReadingApp:
    app = await ReadingApp.register_app(story.environment, story.http)
    await app.authorize_app(helper.browser, clienten="toegewezen")
    story.tell_event("één toestemming geldt voor al zijn cliënten", "berichtenbox/authorization_details/several.py")
    clients = (await app.get_resource("/clienten")).json()
    total = clients["tellingen"]["totaal"]
    check_step(condition=total == len(letters), expected=f"{len(letters)} cliënten in de app", got=total)
    read = await app.get_resource(letters[1].api_path)
    check_step(condition=read.status_code == 200, expected="een brief in de app", got=read.text[:200])
    story.tell_event(f"de app telt {total} cliënten en leest een brief", "berichtenbox/caseload/routes.py")
    return app


async def _stand_in(story: CaseloadStory, office: StoryOffice, letter: DeliveredLetter) -> PortalUser:
    today = to_dutch_date(story.environment.now())
    await office.arrange_stand_in(_HELPER, _COLLEAGUE, today, today + timedelta(days=_STAND_IN_DAYS))
    story.tell_event(f"{_COLLEAGUE.name} vervangt {_HELPER.name}, een week lang", "delegation/stand_ins/creation.py")
    colleague = await story.log_in(_COLLEAGUE)
    letters = await story.find_letters(colleague)
    check_step(condition=len(letters) == len(CLIENTS), expected="de brieven van alle cliënten", got=len(letters))
    [same] = [one for one in letters if one.bericht_id == letter.bericht_id]
    await colleague.open_path(same.path)
    overview = await (await story.log_in(letter.client)).read_overview()
    expected = get_sentence("labels.stand_in", name=_COLLEAGUE.name, absent=_HELPER.name)
    check_step(condition=expected in overview, expected=f"'{expected}' in haar overzicht", got=overview[:600])
    story.tell_event(f"{letter.client.name} leest: {expected}", "portal/access_history/routes.py")
    return colleague


async def _leave(
    story: CaseloadStory, office: StoryOffice, helper: PortalUser, app: ReadingApp, letter: DeliveredLetter
) -> None:
    await office.record_departure(_HELPER)
    story.tell_event(f"{_HELPER.name} gaat uit dienst", "delegation/handover/departure.py")
    await _check_nothing(story, helper, letter.path)
    refused, listed = await app.get_resource(letter.api_path), (await app.get_resource("/clienten")).json()
    check_step(condition=refused.status_code == 403, expected="403 in zijn app", got=refused.status_code)
    check_step(condition=listed["clienten"] == [], expected="geen cliënten in zijn app", got=listed["clienten"])
    story.tell_event(f"zijn app, met een geldig bewijs: {refused.json()['detail']}", "access/guard.py")
    waiting = await office.count_waiting()
    check_step(condition=waiting == _OF_HELPER, expected=f"{_OF_HELPER} wachtende cliënten", got=waiting)
    story.tell_event(f"{waiting} cliënten wachten, elk met een uiterste dag", "delegation/handover/queries.py")
    await office.assign_clients(_OF_HELPER, _COLLEAGUE, path=HANDOVERS_PATH)
    left = await office.count_waiting()
    check_step(condition=left == 0, expected="niemand wacht nog", got=left)
    story.tell_event(f"{_COLLEAGUE.name} neemt ze allemaal over", "delegation/assignments/creation.py")


async def _withdraw_recognition(
    story: CaseloadStory, operators: Operators, page: str, office: StoryOffice, colleague: PortalUser
) -> None:
    letters = await story.find_letters(colleague)
    check_step(condition=len(letters) == len(CLIENTS), expected="vlak ervoor leest zij alles", got=len(letters))
    await operators.decide_recognition(page, RecognitionStatus.WITHDRAWN)
    story.tell_event(f"twee beheerders trekken de erkenning van {story.name} in", "organisations/recognition.py")
    for letter in letters:
        await _check_nothing(story, colleague, letter.path)
    story.tell_event("bij het volgende verzoek is elke brief dicht, voor elke medewerker", "access/guard.py")
    await office.administrator.open_path(CLIENTS_PATH, expected_status=403)
    story.tell_event("ook de lijst van cliënten is dicht voor het wijkteam", "delegation/assignments/queries.py")
    citizen = await story.log_in(letters[0].client)
    expected, helpers = get_sentence("helpers.state.not_now_label"), (await citizen.open_path("/helpers")).text
    check_step(condition=expected in helpers, expected=f"'{expected}' bij haar helpers", got=helpers[:600])
    story.tell_event(f"{letters[0].client.name} leest waarom het nu niet werkt", "portal/gemachtigden/cards.py")
    report = await story.environment.seal_and_verify_journal()
    check_step(condition=report.ok, expected="een gaaf journaal", got=[problem.text for problem in report.problems][:3])
    story.tell_event(f"het journaal klopt: {report.lines} regels", "audit/verification.py")


async def _check_nothing(story: CaseloadStory, employee: PortalUser, letter_path: str) -> None:
    """Check that an employee sees no letter today, and that this letter is closed. Raises StoryFailed."""
    letters = await story.find_letters(employee)
    check_step(condition=not letters, expected="geen brieven meer", got=len(letters))
    await employee.open_path(letter_path, expected_status=403)
