"""Only a registered director of a business reads the letters in its box, in a login for that business."""

from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from machtiging.audit.acts import JournalOutcome
from machtiging.delegation.rules import Act
from machtiging.delegation.statutory.rules import EventType
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.clock import to_dutch_date
from machtiging.kernel.ids import MachtigingId
from tests.builders.database import bypass_triggers
from tests.builders.letters import UWV, BerichtenboxWorld, make_pdf
from tests.builders.organisations import (
    KVK,
    OTHER_KVK,
    add_employee,
    add_organisation,
    change_employee,
    decide_recognition,
)
from tests.builders.rows import BERICHTEN, BIJLAGEN, EMPLOYEES, JOURNAL_INTAKE, PERSONS
from tests.storage.statutory.register_world import tell_of_director

EVERY_ROLE = ["organisatiebeheerder", "teamleider", "hulpverlener", "balie", "telefoon", "controleur"]
BIJLAGE = ("aanslag.pdf", make_pdf(), "application/pdf")
SUBJECT = "Aanslag vennootschapsbelasting"
REFUSED_STATUSES = {401, 403, 404}
REQUESTS = {
    "read": ("GET", "/berichten/{}", None),
    "read head": ("HEAD", "/berichten/{}", None),
    "download": ("GET", "/berichten/{}/bijlagen/{}", None),
    "download head": ("HEAD", "/berichten/{}/bijlagen/{}", None),
    "mark": ("PATCH", "/berichten/{}", {"gelezen": True}),
    "delete": ("DELETE", "/berichten/{}", None),
    "read under machtiging": ("GET", "/machtigingen/{m}/berichten/{}", None),
    "download under machtiging": ("GET", "/machtigingen/{m}/berichten/{}/bijlagen/{}", None),
}


class Reader(NamedTuple):
    """A token, and the machtiging that its requests name."""

    token: str | None
    machtiging: MachtigingId


@dataclass
class BusinessBox:
    """A recognised organisation with a letter, and an employee with every role and a client."""

    world: BerichtenboxWorld
    database: Any
    organisation: UUID
    machtiging: MachtigingId
    letter: str
    bijlage: str
    own_letter: str

    async def authorize_reader(self, who: str) -> Reader:
        world, helper = self.world, self.world.helper
        match who:
            case "nobody":
                return Reader(None, self.machtiging)
            case "citizen":
                token = await world.issue_token(world.citizen)
            case "citizen logged in for it":
                token = await world.issue_token(world.citizen, organisation_kvk=KVK)
            case "employee in the own box":
                token = await world.issue_token(helper, organisation_kvk=KVK)
            case "employee for a client":
                token = await world.issue_token(helper, under=self.machtiging, organisation_kvk=KVK)
            case "employee under a forged machtiging":
                forged = await self._forge_machtiging()
                return Reader(await world.issue_token(helper, under=forged), forged)
            case "the afzender":
                token = await world.issue_token(oin=UWV)
            case "director in the own box":
                await self.register_director()
                token = await world.issue_token(helper, organisation_kvk=KVK)
            case "director logged in as a person" | "director logged in for another organisation":
                directorship = await self.register_director()
                kvk = OTHER_KVK if "another" in who else None
                return Reader(await world.issue_token(helper, under=directorship, organisation_kvk=kvk), directorship)
            case "director until today":
                directorship = await self.register_director()
                token = await world.issue_token(helper, under=directorship, organisation_kvk=KVK)
                await self.end_director()
                return Reader(token, directorship)
            case "director of another business":
                directorship = await self.register_director(OTHER_KVK)
                return Reader(
                    await world.issue_token(helper, under=directorship, organisation_kvk=OTHER_KVK), directorship
                )
            case "director of another business logged in for this one":
                directorship = await self.register_director(OTHER_KVK)
                return Reader(await world.issue_token(helper, under=directorship, organisation_kvk=KVK), directorship)
            case "another person under the directorship":
                directorship = await self.register_director()
                token = await world.issue_token(world.citizen, under=directorship, organisation_kvk=KVK)
                return Reader(token, directorship)
        return Reader(token, self.machtiging)

    async def register_director(self, kvk: str = KVK) -> MachtigingId:
        """Let the trade register tell that the helper directs the business with this number."""
        at = self.world.clock.now()
        async with self.world.sessions.begin() as session:
            business = self.organisation if kvk == KVK else await add_organisation(session, kvk)
            return MachtigingId(await tell_of_director(session, business, self.world.helper, at=at))

    async def end_director(self) -> None:
        """Let the trade register tell that the helper directs it no more."""
        at, today = self.world.clock.now(), to_dutch_date(self.world.clock.now())
        async with self.world.sessions.begin() as session:
            ending = {"effective_on": today, "registered_on": today}
            await tell_of_director(session, self.organisation, self.world.helper, EventType.END, at=at, **ending)

    async def _forge_machtiging(self) -> MachtigingId:
        """A machtiging by the business, written into the database without a key."""
        forged = await self.world.grant_machtiging()
        async with bypass_triggers(self.database) as connection:
            forging = text("UPDATE machtiging SET vertegenwoordigde_id = :business WHERE id = :id")
            await connection.execute(forging, {"business": self.organisation, "id": forged})
        return forged

    async def call(self, reader: Reader, request: str, *ids: str) -> tuple[int, Any]:
        """The status and the body, without the id of the request."""
        method, path, body = REQUESTS[request]
        headers = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else {}
        async with self.world.client(reader.token) as client:
            sent = {} if body is None else {"json": body}
            url = "/api/v1" + path.format(*ids, m=reader.machtiging)
            answer = await client.request(method, url, headers=headers, **sent)
        if not answer.content:
            return answer.status_code, None
        return answer.status_code, {name: value for name, value in answer.json().items() if name != "verzoekId"}


@pytest.fixture
async def box(world, database):
    """A business that is also recognised for citizens, and its employee."""
    machtiging = await world.grant_machtiging(kvk=KVK)
    async with world.sessions.begin() as session:
        await change_employee(session, await EMPLOYEES.read_value(session, "id"), roles=EVERY_ROLE)
    letter = await world.deliver_letter(BIJLAGE, ontvanger={"type": "KVK", "waarde": KVK}, onderwerp=SUBJECT)
    bijlage = str(await BIJLAGEN.read_value(world, "id"))
    own_letter = await world.deliver_letter()
    organisation = await BERICHTEN.read_value(world, "ontvanger_id", id=UUID(letter))
    return BusinessBox(world, database, organisation, machtiging, letter, bijlage, own_letter)


DIRECTORS = [
    "director in the own box",
    "director logged in as a person",
    "director logged in for another organisation",
    "director until today",
    "director of another business",
    "director of another business logged in for this one",
    "another person under the directorship",
]
READERS = [
    "nobody",
    "citizen",
    "citizen logged in for it",
    "employee in the own box",
    "employee for a client",
    "employee under a forged machtiging",
    "the afzender",
    *DIRECTORS,
]


@pytest.mark.parametrize("who", READERS)
async def test_letter_of_business_is_the_same_404_as_an_unknown_letter(box, who):
    reader = await box.authorize_reader(who)
    before = await BERICHTEN.read_one(box.world, id=UUID(box.letter))
    for request in REQUESTS:
        status, body = await box.call(reader, request, box.letter, box.bijlage)
        assert status in REFUSED_STATUSES, request
        assert (status, body) == await box.call(reader, request, str(uuid4()), str(uuid4())), request
    assert await BERICHTEN.read_one(box.world, id=UUID(box.letter)) == before


@pytest.mark.parametrize("who", READERS)
async def test_list_has_no_letter_of_a_business(box, who):
    reader = await box.authorize_reader(who)
    async with box.world.client(reader.token) as client:
        for path in ("/berichten", f"/machtigingen/{reader.machtiging}/berichten", "/machtigingen"):
            answer = await client.get(f"/api/v1{path}")
            assert answer.status_code in {200, *REFUSED_STATUSES}
            assert box.letter not in answer.text
            assert SUBJECT not in answer.text
            assert str(box.organisation) not in answer.text


async def test_director_reads_and_downloads_and_marks_nothing(box):
    directorship = await box.register_director()
    reader = Reader(
        await box.world.issue_token(box.world.helper, under=directorship, organisation_kvk=KVK), directorship
    )
    status, body = await box.call(reader, "read", box.letter)
    assert (status, body["onderwerp"]) == (200, SUBJECT)
    for request in ("read under machtiging", "read head"):
        assert (await box.call(reader, request, box.letter))[0] == 200
    async with box.world.client(reader.token) as client:
        assert (await client.get(f"/api/v1/berichten/{box.letter}/bijlagen/{box.bijlage}")).content == BIJLAGE[1]
        listed = (await client.get("/api/v1/berichten")).json()["berichten"]
        [held] = (await client.get("/api/v1/machtigingen")).json()["machtigingen"]
    assert [one["berichtId"] for one in listed] == [box.letter]
    assert (held["hoedanigheid"], held["vertegenwoordigde"]["naam"]) == ("bestuurder", f"Wijkteam {KVK}")
    for request in ("mark", "delete"):
        assert (await box.call(reader, request, box.letter))[0] == 403
    assert (await box.call(reader, "read", box.own_letter))[0] == 404


async def test_reading_by_director_is_journalled_for_the_business(box):
    directorship = await box.register_director()
    reader = Reader(
        await box.world.issue_token(box.world.helper, under=directorship, organisation_kvk=KVK), directorship
    )
    await box.call(reader, "read", box.letter)
    line = (await JOURNAL_INTAKE.read(box.world, act="bericht:lezen"))[-1]
    assert (line.actor_id, line.for_person_id, line.machtiging_id) == (box.world.helper, box.organisation, directorship)
    assert (line.capacity, line.reason) == ("bestuurder", "toegestaan")


async def test_director_reads_while_the_organisation_is_suspended_for_citizens(box):
    """Recognition is about the post of citizens, not about the own post of the business."""
    directorship = await box.register_director()
    async with box.world.sessions.begin() as session:
        await decide_recognition(session, box.organisation, 3, "opgeschort")
    reader = Reader(
        await box.world.issue_token(box.world.helper, under=directorship, organisation_kvk=KVK), directorship
    )
    assert (await box.call(reader, "read", box.letter))[0] == 200


@pytest.mark.parametrize("level", ["laag", "substantieel"])
async def test_director_below_the_level_of_a_confidential_letter_is_refused(box, level):
    directorship = await box.register_director()
    secret = await box.world.deliver_letter(ontvanger={"type": "KVK", "waarde": KVK}, dienst="wia-uitkering")
    token = await box.world.issue_token(
        box.world.helper, under=directorship, organisation_kvk=KVK, assurance=Assurance(level)
    )
    assert (await box.call(Reader(token, directorship), "read", secret))[0] in {401, 403}


@pytest.mark.parametrize("who", ["citizen", "citizen logged in for it", "employee for a client"])
async def test_reader_of_a_citizen_still_reads_her_letter(box, who):
    """The control: these tokens do open a box."""
    status, body = await box.call(await box.authorize_reader(who), "read", box.own_letter)
    assert (status, body["berichtId"]) == (200, box.own_letter)


async def test_no_access_to_box_of_business_is_ever_journalled_as_allowed(box):
    for who in set(READERS) - set(DIRECTORS):
        reader = await box.authorize_reader(who)
        for request in REQUESTS:
            await box.call(reader, request, box.letter, box.bijlage)
    lines = await JOURNAL_INTAKE.read(box.world, for_person_id=box.organisation)
    allowed = [line.act for line in lines if line.outcome != JournalOutcome.REFUSED.value]
    assert allowed == ["aanlevering:ontvangen"]


@pytest.mark.parametrize(
    ("persona", "pages"),
    [("raadslid", ("/werk", "/werk/clienten", "/organisatie")), ("beheerder", ("/", "/beheer"))],
)
async def test_portal_shows_no_letter_of_a_business_to_employee_or_operator(api, world, persona, pages):
    browser = (await api.log_in(persona)).browser
    person = await PERSONS.read_value(api.database, "id", broker_subject=f"oefenpersoon-{persona}")
    async with world.sessions.begin() as session:
        await add_employee(session, await add_organisation(session), person, roles=EVERY_ROLE)
    letter = await world.deliver_letter(BIJLAGE, ontvanger={"type": "KVK", "waarde": KVK}, onderwerp=SUBJECT)
    bijlage = await BIJLAGEN.read_value(world, "id")
    for path in ("/brieven", "/wie-keek-mee", *pages):
        page = await browser.get(path)
        assert page.status_code == 200, path
        assert letter not in page.text
        assert SUBJECT not in page.text
    for path in (f"/brieven/{letter}", f"/brieven/{letter}/bijlagen/{bijlage}"):
        assert (await browser.get(path)).status_code == 404
        assert (await browser.http.head(path)).status_code == 404


@pytest.mark.parametrize("act", list(Act))
async def test_token_with_each_act_opens_no_letter_of_a_business(box, act):
    reader = Reader(await box.world.issue_token(box.world.helper, organisation_kvk=KVK, acts=(act,)), box.machtiging)
    for request in REQUESTS:
        assert (await box.call(reader, request, box.letter, box.bijlage))[0] in REFUSED_STATUSES
