"""A new client in the room: request, code and answer."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from machtiging.delegation.termination import revoke_machtiging
from machtiging.kernel.assurance import Assurance
from tests.builders.helping import open_helper_session
from tests.builders.letters import SVB, UWV
from tests.builders.organisations import (
    OTHER_KVK,
    add_employee,
    add_organisation,
    change_employee,
    change_organisation,
    decide_recognition,
)
from tests.builders.people import ISSUER
from tests.builders.rows import AGREEMENTS, HELP_REQUESTS, JOURNAL_INTAKE, MACHTIGINGEN, NOTIFICATIONS
from tests.protocol.portal.help_requests import CODE_FORM, answer, type_code

PATH = "/werk/nieuwe-client"
FORM = f"{PATH}/vraag"


async def log_in(office, person=None, level=Assurance.SUBSTANTIAL):
    """A browser of an employee."""
    return await office.portal.browser_of(person or office.worker, assurance=level, kvk=office.kvk)


async def fill_form(browser, template="aangifte", *, expect=200, **changes):
    """Fill in the form of a template. Returns the check page, or the page that refuses."""
    page = await browser.open_page(f"{ISSUER}{FORM}?sjabloon={template}")
    form = page.find_form(FORM)
    return await browser.submit_form(
        form, {"voor": "mevrouw De Boer", "stap": "controle"} | changes, expected_status=expect
    )


async def ask(browser, template="aangifte", **changes):
    """Make a request. Returns the page with the code; the browser stays there."""
    check = await fill_form(browser, template, **changes)
    return await browser.submit_form(check.find_form(FORM), {"stap": "maken"})


async def open_as_client(office, page, name="Anna de Boer"):
    """A new client logs in and types the code. Returns her browser and the page with the three answers."""
    person = office.people.get(name) or await office.add_person(name)
    client = await office.portal.browser_of(person)
    return client, await type_code(client, page.codes[0])


@pytest.fixture
async def request_in_room(office):
    """An employee with a request, and the client who opened it."""
    worker = await log_in(office)
    page = await ask(worker)
    office.request_url = worker.url
    client, decision = await open_as_client(office, page)
    return worker, client, decision


async def test_request_agreed_makes_machtiging_of_organisation_and_assignment_to_employee(office, request_in_room):
    worker, client, decision = request_in_room
    await answer(client, decision, "ja")
    rows = {row.parent_id: row for row in await MACHTIGINGEN.read(office.world)}
    root = rows.pop(None)
    leaf = rows.pop(root.id)
    assert (root.vertegenwoordigde_id, root.gemachtigde_id) == (office.people["Anna de Boer"], office.organisation)
    assert (root.state, root.capacity, root.purpose) == ("active", "professional", "hulp bij de aangifte")
    assert (leaf.employee_id, leaf.state) == (office.employee, "active")
    agreed = await AGREEMENTS.read_one(office.world, machtiging_id=root.id)
    assert (agreed.themes, agreed.highest_sensitivity) == (["belastingen", "toeslagen"], "gewoon")
    assert agreed.ends_at < office.days(32)
    shown = await worker.open_page(office.request_url)
    assert "Uw cliënt zei ja." in shown.text
    assert (await worker.open_page(f"{ISSUER}/werk/clienten/{leaf.id}")).text.count("Anna de Boer") > 0
    assert any(href == f"/werk/clienten/{leaf.id}" for href, _ in shown.links)


async def test_page_of_the_client_says_organisation_employee_letters_and_end(office, request_in_room):
    _worker, _client, decision = request_in_room
    for words in (f"Wijkteam {office.kvk}", "hulp bij de aangifte", "belastingen", "toeslagen", "is erkend"):
        assert words in decision.text, words
    assert "mevrouw De Boer" not in decision.text


async def test_request_and_answer_are_journalled_for_the_organisation_without_words(office, request_in_room):
    _worker, client, decision = request_in_room
    await answer(client, decision, "ja")
    lines = [row for row in await JOURNAL_INTAKE.read(office.world) if row.act.startswith("hulpvraag:")]
    assert [(row.act, row.actor_id, row.on_behalf_of) for row in lines] == [
        ("hulpvraag:gesteld", office.worker, office.organisation),
        ("hulpvraag:geopend", office.people["Anna de Boer"], None),
        ("hulpvraag:toegestaan", office.people["Anna de Boer"], None),
    ]
    assert "Boer" not in str([row.facts for row in lines])
    mails = [(row.person_id, row.kind) for row in await NOTIFICATIONS.read(office.world)]
    assert (office.worker, "hulpvraag_toegestaan") in mails


async def demand_four_eyes(office):
    """The organisation demands a second person, who is a teamleider."""
    person = await office.add_person("Tweede Persoon")
    async with office.world.sessions.begin() as session:
        await change_organisation(session, office.organisation, four_eyes_from="gewoon")
        await add_employee(session, office.organisation, person, roles=["teamleider"])
    return person


async def decide_proposal(office, person, choice):
    browser = await log_in(office, person)
    form = (await browser.open_page(f"{ISSUER}/organisatie/vier-ogen")).find_form("vier-ogen")
    await browser.submit_form(form, {"voorstel": form.choices["voorstel"], "besluit": choice})


async def load_mails(office, *prefixes):
    rows = await NOTIFICATIONS.read(office.world)
    return sorted((row.kind, row.person_id) for row in rows if row.kind.startswith(prefixes))


async def test_agreed_request_that_waits_for_a_second_person_opens_nothing_and_says_so(office, request_in_room):
    worker, client, decision = request_in_room
    second = await demand_four_eyes(office)
    page = await answer(client, decision, "ja")
    assert "Er leest nog niemand mee." in page.text
    assert "Uw helper mag nu lezen" not in page.text
    citizen = office.people["Anna de Boer"]
    assert await load_mails(office, "hulpvraag_toegestaan", "machtiging_") == [
        ("machtiging_aangenomen_door_organisatie", citizen)
    ]
    shown = await worker.open_page(office.request_url)
    assert "Een tweede persoon moet het nog bevestigen." in shown.text
    assert not any(href.startswith("/werk/clienten/") for href, _ in shown.links)
    await decide_proposal(office, second, "bevestigen")
    assert await load_mails(office, "toewijzing_") == [
        ("toewijzing_gemaakt", citizen),
        ("toewijzing_gemaakt_aan_u", office.worker),
    ]
    shown = await worker.open_page(office.request_url)
    assert "U mag nu meelezen." in shown.text
    (href,) = {href for href, _ in shown.links if href.startswith("/werk/clienten/")}
    assert "Anna de Boer" in (await worker.open_page(ISSUER + href)).text


async def test_agreed_request_that_a_second_person_refused_has_no_client_page(office, request_in_room):
    worker, client, decision = request_in_room
    second = await demand_four_eyes(office)
    await answer(client, decision, "ja")
    await decide_proposal(office, second, "weigeren")
    shown = await worker.open_page(office.request_url)
    assert "Uw cliënt zei ja. U leest nu niet mee." in shown.text
    assert not any(href.startswith("/werk/clienten/") for href, _ in shown.links)


async def test_agreed_request_that_the_client_stopped_has_no_client_page(office, request_in_room):
    worker, client, decision = request_in_room
    await answer(client, decision, "ja")
    root = await MACHTIGINGEN.read_one(office.world, parent_id=None)
    async with office.world.sessions.begin() as session:
        await revoke_machtiging(session, root.id, root.vertegenwoordigde_id, at=office.world.clock.now())
    shown = await worker.open_page(office.request_url)
    assert "U leest nu niet mee." in shown.text
    assert not any(href.startswith("/werk/clienten/") for href, _ in shown.links)


async def test_request_agreed_to_less_is_a_narrower_machtiging(office, request_in_room):
    _worker, client, decision = request_in_room
    day = office.days(10)
    ends = {"einde_dag": str(day.day), "einde_maand": str(day.month), "einde_jaar": str(day.year)}
    await answer(client, decision, "minder", zonder=["oudere", "bijlagen"], **ends)
    root = await MACHTIGINGEN.read_one(office.world, parent_id=None)
    for row in await AGREEMENTS.read(office.world):
        assert sorted(row.acts) == ["lezen", "lijst"]
        assert row.ends_at < office.days(12)
    assert root.gemachtigde_id == office.organisation


async def test_request_refused_makes_no_machtiging(office, request_in_room):
    worker, client, decision = request_in_room
    assert "U zei nee." in (await answer(client, decision, "nee")).text
    assert await MACHTIGINGEN.count(office.world) == 0
    assert "Het antwoord is nee." in (await worker.open_page(office.request_url)).text


async def test_second_press_on_yes_makes_one_machtiging(office, request_in_room):
    _worker, client, decision = request_in_room
    for _ in range(2):
        await answer(client, decision, "ja")
    assert await MACHTIGINGEN.count(office.world) == 2


@pytest.mark.parametrize("status", ["opgeschort", "ingetrokken"])
async def test_organisation_no_longer_recognised_gets_no_yes(office, request_in_room, status):
    _worker, client, decision = request_in_room
    async with office.world.sessions.begin() as session:
        await decide_recognition(session, office.organisation, 3, status)
    refused = await answer(client, decision, "ja", expect=403)
    assert "De erkenning van deze organisatie" in refused.text
    assert await MACHTIGINGEN.count(office.world) == 0
    shown = await client.open_page(client.url)
    assert "Ja, dit mag" not in shown.text
    assert "U zei nee." in (await answer(client, shown, "nee")).text


@pytest.mark.parametrize(
    "change",
    [{"state": "op_non_actief"}, {"state": "vertrokken"}, {"roles": ["organisatiebeheerder"]}],
)
async def test_request_of_employee_without_clients_now_is_not_agreed(office, request_in_room, change):
    _worker, client, decision = request_in_room
    if change.get("state") == "vertrokken":
        change = change | {"ends_at": office.world.clock.now()}
    async with office.world.sessions.begin() as session:
        await change_employee(session, office.employee, **change)
    assert "De medewerker die dit vroeg" in (await answer(client, decision, "ja", expect=403)).text
    assert await MACHTIGINGEN.count(office.world) == 0
    refusal = (await JOURNAL_INTAKE.read(office.world, act="hulpvraag:toegestaan"))[-1]
    assert refusal.outcome == "refused"


async def test_expired_code_and_code_of_another_client_are_told_alike(office, request_in_room):
    worker, client, _decision = request_in_room
    page = await worker.open_page(office.request_url)
    other = await office.portal.browser_of(await office.add_person("Mo Haddou"))
    told = (await type_code(other, page.codes[0], expect=400)).text
    assert "Wij vinden geen vraag bij deze code." in told
    second = await ask(worker)
    office.world.clock.advance(timedelta(days=15))
    late = await office.portal.browser_of(office.people["Mo Haddou"])
    assert "Wij vinden geen vraag bij deze code." in (await type_code(late, second.codes[0], expect=400)).text
    again = await office.portal.browser_of(office.people["Anna de Boer"])
    assert "Deze vraag is verlopen." in (await again.open_page(client.url)).text
    assert await MACHTIGINGEN.count(office.world) == 0


async def test_employee_cannot_be_the_own_client(office):
    worker = await log_in(office)
    page = await ask(worker)
    private = await office.portal.browser_of(office.worker)
    assert "Deze vraag heeft u zelf gemaakt." in (await type_code(private, page.codes[0], expect=403)).text
    assert (await (await office.log_in()).request(CODE_FORM)).status_code == 403


async def test_emergency_stop_of_the_client_leaves_no_yes(office, request_in_room):
    _worker, client, decision = request_in_room
    stop = (await client.open_page(ISSUER + "/helpers/stop-alles")).find_form("/helpers/stop-alles")
    await client.submit_form(stop, {})
    await answer(client, decision, "ja", expect=409)
    assert await MACHTIGINGEN.count(office.world) == 0


async def test_unknown_sender_and_missing_answers_are_faults_that_keep_what_was_typed(office):
    worker = await log_in(office)
    page = await fill_form(worker, "zelf", expect=400, doel="hulp", organisaties="kiezen", afzenders=["000"])
    assert page.text.count("mevrouw De Boer") + str(page.forms).count("mevrouw De Boer") > 0
    assert "Fout:" in page.text
    assert await HELP_REQUESTS.count(office.world) == 0


async def test_request_above_the_ceiling_is_refused_and_not_offered(office):
    async with office.world.sessions.begin() as session:
        await change_organisation(
            session,
            office.organisation,
            ceiling_themes=["belastingen"],
            ceiling_afzenders=[SVB],
            ceiling_sensitivity="gewoon",
            ceiling_days=45,
        )
    worker = await log_in(office)
    page = await worker.open_page(f"{ISSUER}{FORM}?sjabloon=aangifte")
    assert ("toeslagen" in str(page.forms), UWV in str(page.forms)) == (False, False)
    for change in ({"themas": ["toeslagen"]}, {"gevoelig": "ja"}, {"duur": "90"}):
        check = await fill_form(worker, **change)
        refused = await worker.submit_form(check.find_form(FORM), {"stap": "maken"}, expected_status=400)
        assert "Uw organisatie mag" in refused.text, change
    assert await HELP_REQUESTS.count(office.world) == 0
    await ask(worker)
    requested = await HELP_REQUESTS.read_value(office.world, "scope")
    assert (requested["afzenders"], requested["themes"]) == ([SVB], ["belastingen"])


async def test_ceiling_lowered_after_the_request_limits_the_agreement(office, request_in_room):
    _worker, client, decision = request_in_room
    async with office.world.sessions.begin() as session:
        await change_organisation(session, office.organisation, ceiling_themes=["toeslagen"], ceiling_days=7)
    await answer(client, decision, "ja")
    for row in await AGREEMENTS.read(office.world):
        assert row.themes == ["toeslagen"]
        assert row.ends_at < office.days(9)


async def test_request_pressed_twice_is_one_request(office):
    worker = await log_in(office)
    check = await fill_form(worker)
    for _ in range(2):
        await worker.submit_form(check.find_form(FORM), {"stap": "maken"})
    assert await HELP_REQUESTS.count(office.world) == 1


async def test_thirty_open_requests_are_the_most(office):
    worker = await log_in(office)
    for _ in range(30):
        await ask(worker)
    check = await fill_form(worker)
    refused = await worker.submit_form(check.find_form(FORM), {"stap": "maken"}, expected_status=409)
    assert "30" in refused.text
    assert await HELP_REQUESTS.count(office.world) == 30


async def test_withdrawn_request_has_no_code_and_cannot_be_answered(office, request_in_room):
    worker, client, decision = request_in_room
    page = await worker.open_page(office.request_url)
    withdrawn = await worker.submit_form(page.find_form("/intrekken"), {})
    assert "U trok deze vraag in." in withdrawn.text
    assert withdrawn.codes == []
    await answer(client, decision, "ja", expect=409)
    assert await MACHTIGINGEN.count(office.world) == 0


async def test_request_of_a_colleague_or_another_organisation_is_not_found(office, request_in_room, world, portal):
    colleague = await office.add_person("Kim Collega")
    async with world.sessions.begin() as session:
        await add_employee(session, office.organisation, colleague, starts_at=world.clock.now())
        second = await add_organisation(session, OTHER_KVK)
        await add_employee(session, second, office.worker, starts_at=world.clock.now())
    path = office.request_url.removeprefix(ISSUER)
    for person, kvk in ((colleague, office.kvk), (office.worker, OTHER_KVK)):
        session = await office.log_in(person, kvk)
        assert (await session.request(path)).status_code == 404
        assert "mevrouw De Boer" not in (await session.request(PATH)).text
    private = await portal.browser_of(office.worker)
    assert "mevrouw De Boer" not in (await private.open_page(ISSUER + "/ik-help/vragen")).text


@pytest.mark.parametrize("path", [PATH, FORM, f"{FORM}?sjabloon=schulden"])
async def test_pages_open_for_an_employee_only(office, portal, path):
    assert (await (await office.log_in()).request(path)).status_code == 200
    stranger = await office.log_in(await office.add_person("Kim Vreemd"))
    private = await open_helper_session(portal, office.worker, None)
    for session in (stranger, private):
        assert (await session.request(path)).status_code == 403


async def test_suspended_organisation_is_offered_no_form(office):
    async with office.world.sessions.begin() as session:
        await decide_recognition(session, office.organisation, 3, "opgeschort")
    worker = await office.log_in()
    assert "opgeschort" in (await worker.request(PATH)).text
    assert (await worker.request(FORM)).status_code == 403


async def test_requests_of_the_organisation_do_not_count_for_the_private_person(office, portal):
    worker = await log_in(office)
    for _ in range(6):
        await ask(worker)
    assert re.search("Wacht op antwoord", (await worker.open_page(ISSUER + PATH)).text)
    private = await portal.browser_of(office.worker)
    assert "U heeft nog niets gevraagd" in (await private.open_page(ISSUER + "/ik-help/vragen")).text
