"""/organisatie/toezicht and /organisatie/logboek: who read what, and the log, without a letter."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.delegation.termination import revoke_machtiging
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.helping import open_helper_session
from tests.builders.machtiging import SVB
from tests.builders.organisations import add_employee, add_organisation, decide_recognition
from tests.builders.people import ISSUER, add_person_without_bsn
from tests.protocol.organisation_pages.office import make_unknown_id

READING, LOG = "/organisatie/toezicht", "/organisatie/logboek"


@pytest.fixture
async def overseer(office):
    """A browser of an employee with toezicht."""
    person, _ = await office.hire("Tine Toezicht", roles=["toezicht"])
    return await office.log_in(person)


async def write_lines(office, portal, *acts, actor=None, organisation=None, about=None, **changes):
    """Lines of the journal, one second apart."""
    async with unit_of_work(office.rows.database.sessions) as session:
        for number, act in enumerate(acts):
            line = NewJournalLine(
                act=act,
                outcome=changes.get("outcome", JournalOutcome.ALLOWED),
                reason="binnen_omvang",
                actor_id=actor or office.rows.worker,
                for_person_id=about or office.rows.client,
                object_kind="bericht",
                object_id=str(changes.get("letter", uuid4())),
                on_behalf_of=organisation or office.rows.organisation,
            )
            await record(session, line, at=portal.clock.now() + timedelta(seconds=number))


@dataclass(frozen=True)
class SecretLetter:
    """A letter of the client."""

    id: str
    sender: str = "UWV"
    subject: str = "Een geheim onderwerp"


@pytest.fixture
async def client_letter(office, world):
    """A letter in the box of the client."""
    return SecretLetter(await world.deliver_letter(onderwerp=SecretLetter.subject))


@pytest.mark.parametrize(
    ("roles", "first"),
    [
        (["toezicht"], READING),
        (["organisatiebeheerder"], "/organisatie"),
        (["teamleider"], "/organisatie"),
        (["organisatiebeheerder", "toezicht"], "/organisatie"),
        (["hulpverlener", "organisatiebeheerder"], "/werk"),
        (["balie"], "/werk"),
    ],
)
async def test_start_page_of_employee_is_the_one_of_the_role(office, portal, roles, first):
    person, _ = await office.hire("Tine Toezicht", roles=roles)
    visitor = await open_helper_session(portal, person, None, kvk=office.rows.kvk)
    answer = await visitor.request("/")
    assert (answer.status_code, answer.headers["location"]) == (303, first)


async def test_start_page_of_login_without_employee_is_the_work(portal):
    stranger = await open_helper_session(portal, portal.people.son, None, kvk="90000006")
    assert (await stranger.request("/")).headers["location"] == "/werk"


async def test_page_of_supervisor_links_to_no_page_that_refuses(office, overseer):
    await overseer.open_page(ISSUER + READING)
    hrefs = {href for href, _ in overseer.page.links if href.startswith(("/organisatie", "/werk", "/ik-help"))}
    assert hrefs == {READING, LOG}
    for href in hrefs:
        await overseer.open_page(ISSUER + href)


async def test_menu_of_leading_supervisor_is_complete(office):
    person, _ = await office.hire("Tine Toezicht", roles=["organisatiebeheerder", "toezicht"])
    browser = await office.log_in(person)
    await browser.open_page(ISSUER + READING)
    assert "/organisatie/teams" in {href for href, _ in browser.page.links}


async def test_reading_is_listed_with_names_sender_and_theme_but_no_letter(office, portal, overseer, client_letter):
    await office.rows.grant()
    await write_lines(office, portal, JournalAct.BERICHT_LEZEN, letter=client_letter.id)
    page = await overseer.open_page(ISSUER + READING)
    assert "Hugo Hulpverlener" in page.text
    assert "las een brief" in page.text
    assert "Ans" in page.text
    assert client_letter.sender in page.text
    assert client_letter.subject not in page.text
    assert not any(str(client_letter.id) in href for href, _ in page.links)


async def test_refused_reading_tells_no_sender(office, portal, overseer, client_letter):
    await office.rows.grant()
    await write_lines(office, portal, JournalAct.BERICHT_LEZEN, letter=client_letter.id, outcome=JournalOutcome.REFUSED)
    page = await overseer.open_page(ISSUER + READING)
    assert "Dat mocht niet." in page.text
    assert client_letter.sender not in page.text


async def test_former_client_has_no_name_and_no_sender(office, portal, overseer, client_letter):
    root = await office.rows.grant()
    await write_lines(office, portal, JournalAct.BERICHT_LEZEN, letter=client_letter.id)
    async with unit_of_work(office.rows.database.sessions) as session:
        await revoke_machtiging(session, root, office.rows.client, at=portal.clock.now())
    page = await overseer.open_page(ISSUER + READING)
    assert "Een vroegere cliënt" in page.text
    assert "Ans" not in page.text
    assert client_letter.sender not in page.text


async def test_letter_outside_what_the_client_gives_now_tells_no_sender(office, portal, overseer, client_letter):
    await office.rows.grant(afzenders=[SVB])
    await write_lines(office, portal, JournalAct.BERICHT_LEZEN, letter=client_letter.id)
    page = await overseer.open_page(ISSUER + READING)
    assert "Ans" in page.text
    assert client_letter.sender not in page.text


async def test_view_of_reading_is_journalled_and_listed_in_the_log(office, overseer):
    await overseer.open_page(f"{ISSUER}{READING}?maand=2020-01")
    assert await office.read_outcomes("toezicht:ingezien") == [("allowed", "toezicht")]
    page = await overseer.open_page(ISSUER + LOG)
    assert "Tine Toezicht" in page.text
    assert "bekeek wie welke post las" in page.text


async def test_name_of_a_stranger_is_not_told(office, portal, overseer):
    await write_lines(office, portal, JournalAct.BERICHT_LEZEN, about=portal.people.son)
    page = await overseer.open_page(ISSUER + READING)
    assert "las een brief" in page.text
    assert "Bram" not in page.text


async def test_lines_of_another_organisation_and_other_acts_are_not_listed(office, portal, overseer, database):
    async with unit_of_work(database.sessions) as session:
        other = await add_organisation(session, "90000002")
    await write_lines(office, portal, JournalAct.BERICHT_LEZEN, organisation=other)
    await write_lines(office, portal, JournalAct.MEDEWERKER_GEWIJZIGD)
    assert "Er is niets" in (await overseer.open_page(ISSUER + READING)).text


@pytest.mark.parametrize(
    ("path", "roles"),
    [
        *((READING, [role]) for role in ("hulpverlener", "teamleider", "organisatiebeheerder", "balie")),
        *((LOG, [role]) for role in ("hulpverlener", "teamleider", "balie")),
    ],
)
async def test_employee_without_the_role_is_refused_and_journalled(office, path, roles):
    person, _ = await office.hire(roles=roles)
    await (await office.log_in(person)).open_page(ISSUER + path, expected_status=403)
    assert await office.read_outcomes("toezicht:ingezien") == [("refused", "alleen_voor_toezicht")]


@pytest.mark.parametrize("path", [READING, LOG])
async def test_private_login_and_stranger_are_refused(office, portal, path):
    for browser in (
        await portal.browser_of(portal.people.mother),
        await portal.browser_of(portal.people.mother, kvk=office.rows.kvk),
    ):
        await browser.open_page(ISSUER + path, expected_status=403)


@pytest.mark.parametrize(
    "path", ["/organisatie", "/organisatie/medewerkers", "/organisatie/vier-ogen", "/organisatie/overdrachten"]
)
async def test_overseer_is_refused_on_the_pages_of_leaders(overseer, path):
    await overseer.open_page(ISSUER + path, expected_status=403)


async def test_overseer_opens_no_letter(office, overseer, client_letter):
    root = await office.rows.grant()
    assignment = await office.rows.assign(root)
    for path in (f"/werk/clienten/{assignment}", f"/werk/clienten/{assignment}/brieven/{client_letter.id}"):
        await overseer.open_page(ISSUER + path, expected_status=404)


async def test_overseer_sees_the_log_of_a_suspended_organisation(office, overseer):
    async with unit_of_work(office.rows.database.sessions) as session:
        await decide_recognition(session, office.rows.organisation, 3, "opgeschort")
    await overseer.open_page(ISSUER + LOG)


@pytest.mark.parametrize("path", [READING, LOG])
async def test_overseer_of_organisation_with_withdrawn_recognition_is_refused(office, overseer, path):
    async with unit_of_work(office.rows.database.sessions) as session:
        await decide_recognition(session, office.rows.organisation, 3, "ingetrokken")
    page = await overseer.open_page(ISSUER + path, expected_status=403)
    assert "U ziet de cliënten niet meer." in page.text


async def test_filter_by_employee_lists_only_that_employee(office, portal, overseer):
    other, other_id = await office.hire("Noor Nieuw", state="actief")
    await office.rows.grant()
    await write_lines(office, portal, JournalAct.BERICHT_LEZEN)
    await write_lines(office, portal, JournalAct.BERICHT_DOWNLOADEN, actor=other)
    page = await overseer.open_page(f"{ISSUER}{READING}?medewerker={other_id}")
    assert "haalde een bijlage op" in page.text
    assert "las een brief" not in page.text


async def test_filter_by_month_lists_only_that_month(office, portal, overseer):
    await write_lines(office, portal, JournalAct.BERICHT_LEZEN)
    assert "Er is niets" in (await overseer.open_page(f"{ISSUER}{READING}?maand=2020-01")).text
    month = f"{portal.clock.now():%Y-%m}"
    assert "las een brief" in (await overseer.open_page(f"{ISSUER}{READING}?maand={month}")).text


async def test_filter_by_employee_of_another_organisation_is_unknown(overseer, database):
    async with unit_of_work(database.sessions) as session:
        person = await add_person_without_bsn(session, "Buur", None)
        foreign = await add_employee(session, await add_organisation(session, "90000002"), person)
    for one in (foreign, make_unknown_id()):
        await overseer.open_page(f"{ISSUER}{READING}?medewerker={one}", expected_status=404)


@pytest.mark.parametrize("query", ["medewerker=x", "maand=2026-13", "maand=nu", "voor=gisteren", "regel=1"])
async def test_wrong_filter_is_refused(overseer, query):
    await overseer.open_page(f"{ISSUER}{READING}?{query}", expected_status=400)


async def test_pages_follow_each_other_without_a_line_twice(office, portal, overseer):
    await write_lines(office, portal, *[JournalAct.BERICHT_LEZEN] * 60)
    first = await overseer.open_page(ISSUER + READING)
    [older] = [href for href, _ in first.links if "voor=" in href]
    second = await overseer.open_page(ISSUER + older.removeprefix(ISSUER))
    assert (first.text.count("las een brief"), second.text.count("las een brief")) == (50, 10)


async def test_log_names_assigner_client_and_employee(office, overseer):
    await office.assign(await office.log_in(), await office.rows.grant())
    for browser in (overseer, await office.log_in_administrator()):
        page = await browser.open_page(ISSUER + LOG)
        assert "Tess Leider" in page.text
        assert "wees een cliënt toe" in page.text
        assert "Hugo Hulpverlener" in page.text
        assert "Ans" in page.text


async def test_log_lists_no_letters_and_nothing_of_another_organisation(office, portal, overseer, database):
    async with unit_of_work(database.sessions) as session:
        other = await add_organisation(session, "90000002")
    await write_lines(office, portal, JournalAct.BERICHT_LEZEN)
    await write_lines(office, portal, JournalAct.MEDEWERKER_GEWIJZIGD, organisation=other)
    assert "Er is niets" in (await overseer.open_page(ISSUER + LOG)).text
