"""/organisatie/vier-ogen: what waits for a second person, and the setting."""

from datetime import timedelta

import pytest

from machtiging.agencies.rules import Sensitivity
from machtiging.organisations.rules import ActingEmployee
from machtiging.organisations.second_person.threshold import change_four_eyes, load_threshold
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.organisations import add_employee, add_organisation, decide_recognition
from tests.builders.people import ISSUER, add_person_without_bsn
from tests.protocol.organisation_pages.office import make_unknown_id

PATH = "/organisatie/vier-ogen"
SETTING = PATH + "/instelling"


@pytest.fixture
async def four_eyes(office, portal):
    """The organisation demands four eyes of all."""
    actor = ActingEmployee(office.administrator, office.administrator_id, office.rows.organisation)
    async with unit_of_work(office.rows.database.sessions) as session:
        await change_four_eyes(session, actor, Sensitivity.GEWOON, at=portal.clock.now())
    return office


async def propose(office, *roots):
    """The teamleider proposes the hulpverlener for these clients."""
    return await office.assign(await office.log_in(), *roots)


async def decide(browser, ids, decision="bevestigen", expect=200):
    form = (await browser.open_page(ISSUER + PATH)).find_form("vier-ogen")
    values = {"voorstel": [str(one) for one in ids], "besluit": decision}
    return await browser.submit_form(form, values, expected_status=expect)


async def read_setting(office, portal):
    async with office.rows.database.sessions() as session:
        return await load_threshold(session, office.rows.organisation, at=portal.clock.now())


async def find_ids(browser):
    form = (await browser.open_page(ISSUER + PATH)).find_form("vier-ogen")
    return form.choices["voorstel"]


async def test_bulk_assignment_says_of_each_that_it_waits_and_opens_nothing(four_eyes):
    roots = [await four_eyes.rows.grant(), await four_eyes.rows.grant(purpose="ook")]
    page = await propose(four_eyes, *roots)
    assert page.text.count("wacht op een tweede persoon") == 2
    assert "is nu van" not in page.text
    box = await four_eyes.open_box(four_eyes.rows.worker, roots[0])
    assert (await box.get()).status_code in {403, 404}
    worker = await four_eyes.log_in(four_eyes.rows.worker)
    for path in ("/werk", "/werk/clienten"):
        assert "Ans Voorbeeld" not in (await worker.open_page(ISSUER + path)).text


async def test_second_person_confirms_and_the_employee_reads(four_eyes):
    root = await four_eyes.rows.grant()
    await propose(four_eyes, root)
    browser = await four_eyes.log_in_administrator()
    page = await decide(browser, await find_ids(browser))
    assert "1 toewijzing is bevestigd" in page.text
    assert "Niets wacht" in page.text
    worker = await four_eyes.log_in(four_eyes.rows.worker)
    assert "Ans Voorbeeld" in (await worker.open_page(ISSUER + "/werk/clienten")).text


async def test_proposer_is_refused_per_item_and_may_withdraw(four_eyes):
    await propose(four_eyes, await four_eyes.rows.grant())
    browser = await four_eyes.log_in()
    ids = await find_ids(browser)
    assert "Een ander moet dit bevestigen" in browser.page.text
    assert "U deed dit voorstel zelf" in (await decide(browser, ids)).text
    assert "1 toewijzing is geweigerd" in (await decide(browser, ids, "weigeren")).text


async def test_form_pressed_twice_changes_nothing(four_eyes):
    await propose(four_eyes, await four_eyes.rows.grant())
    browser = await four_eyes.log_in_administrator()
    form = (await browser.open_page(ISSUER + PATH)).find_form("vier-ogen")
    values = {"voorstel": form.choices["voorstel"], "besluit": "bevestigen"}
    await browser.submit_form(form, values)
    page = await browser.submit_form(form, values)
    assert "al besloten" in page.text
    assert await four_eyes.read_outcomes("toewijzing:bevestigd") == [
        ("done", "bevestigd"),
        ("refused", "voorstel_afgehandeld"),
    ]


async def test_late_confirmation_is_told_kindly(four_eyes, portal):
    await propose(four_eyes, await four_eyes.rows.grant())
    browser = await four_eyes.log_in_administrator()
    form = (await browser.open_page(ISSUER + PATH)).find_form("vier-ogen")
    portal.clock.advance(timedelta(hours=72))
    browser = await four_eyes.log_in_administrator()
    await browser.open_page(ISSUER + "/organisatie")
    token = browser.page.find_form("organisatie").values["csrf"]
    values = {"voorstel": form.choices["voorstel"], "besluit": "bevestigen", "csrf": token}
    page = await browser.submit_form(form, values)
    assert "72 uur zijn voorbij" in page.text


async def test_unknown_id_and_other_organisation_are_answered_alike(four_eyes, database):
    await propose(four_eyes, await four_eyes.rows.grant())
    browser = await four_eyes.log_in_administrator()
    ids = await find_ids(browser)
    async with unit_of_work(database.sessions) as session:
        person = await add_person_without_bsn(session, "Buur", None)
        await add_employee(session, await add_organisation(session, "90000002"), person, roles=["teamleider"])
    other = await four_eyes.portal.browser_of(person, kvk="90000002")
    assert "Ans Voorbeeld" not in (await other.open_page(ISSUER + PATH)).text
    form = (await browser.open_page(ISSUER + PATH)).find_form("vier-ogen")
    token = (await other.open_page(ISSUER + "/organisatie/vervangingen")).find_form("vervangingen").values["csrf"]
    pages = [
        await other.submit_form(form, {"voorstel": [one], "besluit": "bevestigen", "csrf": token})
        for one in (ids[0], make_unknown_id())
    ]
    assert [("Dit voorstel kennen wij niet" in page.text) for page in pages] == [True, True]


@pytest.mark.parametrize(
    ("values", "words"), [({"voorstel": []}, "minstens één"), ({"besluit": "anders"}, "bevestigt of weigert")]
)
async def test_form_with_a_fault_is_shown_again(four_eyes, values, words):
    await propose(four_eyes, await four_eyes.rows.grant())
    browser = await four_eyes.log_in_administrator()
    form = (await browser.open_page(ISSUER + PATH)).find_form("vier-ogen")
    sent = {"voorstel": form.choices["voorstel"], "besluit": "bevestigen"} | values
    page = await browser.submit_form(form, sent, expected_status=400)
    assert words in page.text
    assert "Fout:" in page.text


async def test_suspended_organisation_confirms_nothing(four_eyes):
    await propose(four_eyes, await four_eyes.rows.grant())
    browser = await four_eyes.log_in_administrator()
    ids = await find_ids(browser)
    async with unit_of_work(four_eyes.rows.database.sessions) as session:
        await decide_recognition(session, four_eyes.rows.organisation, 3, "opgeschort")
    await decide(browser, ids, expect=403)
    assert await four_eyes.read_outcomes("toewijzing:bevestigd") == [("refused", "organisatie_opgeschort")]


@pytest.mark.parametrize("roles", [["hulpverlener"], ["toezicht"], ["balie"]])
@pytest.mark.parametrize("path", [PATH, SETTING])
async def test_employee_without_the_role_is_refused(four_eyes, roles, path):
    person, _ = await four_eyes.hire(roles=roles)
    await (await four_eyes.log_in(person)).open_page(ISSUER + path, expected_status=403)


async def test_team_leader_sees_the_setting_and_cannot_change_it(four_eyes):
    browser = await four_eyes.log_in()
    page = await browser.open_page(ISSUER + PATH)
    assert "Bij alle cliënten" in page.text
    assert "Verander dit" not in page.text
    await browser.open_page(ISSUER + SETTING, expected_status=403)


async def choose_setting(browser, value, expect=200):
    form = (await browser.open_page(ISSUER + SETTING)).find_form("instelling")
    return await browser.submit_form(form, {"vanaf": value}, expected_status=expect)


async def test_stricter_setting_counts_at_once_and_weaker_waits(office, portal):
    browser = await office.log_in_administrator()
    assert "geldt nu" in (await choose_setting(browser, "gevoelig")).text
    assert await read_setting(office, portal) is Sensitivity.GEVOELIG
    page = await choose_setting(browser, "niet")
    assert "wacht op een tweede beheerder" in page.text
    assert await read_setting(office, portal) is Sensitivity.GEVOELIG
    assert "Bevestig deze wijziging" not in page.text
    second, _ = await office.hire("Tweede beheerder", roles=["organisatiebeheerder"])
    other = await office.log_in(second)
    form = (await other.open_page(ISSUER + PATH)).find_form("besluit")
    assert "bevestigd en geldt nu" in (await other.submit_form(form, {"besluit": "bevestigen"})).text
    assert await read_setting(office, portal) is None


async def test_own_weaker_setting_cannot_be_confirmed(office, portal):
    browser = await office.log_in_administrator()
    await choose_setting(browser, "gewoon")
    form = (await choose_setting(browser, "niet")).find_form("besluit")
    page = await browser.submit_form(form, {"besluit": "bevestigen"}, expected_status=409)
    assert "U deed dit voorstel zelf" in page.text
    assert await read_setting(office, portal) is Sensitivity.GEWOON


async def test_unknown_setting_is_refused(office):
    page = await choose_setting(await office.log_in_administrator(), "alles", expect=400)
    assert "wanneer een tweede persoon nodig is" in page.text
