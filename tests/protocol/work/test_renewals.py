"""The renewal round: who is asked, how often, and the answers of the clients."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import update

from machtiging.delegation.assignments.rules import EmployeeLogin
from machtiging.delegation.renewals.asking import ask_renewals
from machtiging.delegation.renewals.queries import list_questions_to_giver, load_waiting_question
from machtiging.delegation.tables import MachtigingsverzoekRow
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Conflict
from machtiging.storage.columns import table_of
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.machtiging import update_machtiging
from tests.builders.organisations import OTHER_KVK, add_employee, change_employee, decide_recognition
from tests.builders.people import ISSUER
from tests.builders.rows import AGREEMENTS, JOURNAL_INTAKE, MACHTIGINGEN, NOTIFICATIONS, TableReader

PATH = "/werk/verlengen"
QUESTIONS = TableReader(MachtigingsverzoekRow)


async def log_in(office, person=None):
    """A browser of an employee."""
    return await office.portal.browser_of(person or office.worker, kvk=office.kvk)


async def ask(browser, expect=200):
    """Press the button. Returns the page of the round."""
    form = (await browser.open_page(ISSUER + PATH)).find_form(PATH)
    return await browser.submit_form(form, {}, expected_status=expect)


async def open_question(office, name):
    """The client opens the page of the machtiging from the overview."""
    client = await office.portal.browser_of(office.people[name])
    href = next(href for href, _ in (await client.open_page(ISSUER + "/")).links if href.startswith("/helpers/0"))
    return client, await client.open_page(ISSUER + href)


@pytest.fixture
async def ending(office):
    """Two clients whose machtiging ends soon, and one whose does not."""
    days = {"Anna de Boer": 10, "Mo Haddou": 20, "Nel Kuipers": 90}
    office.held = {name: await office.add_client(name, ends_at=office.days(number)) for name, number in days.items()}
    return office


async def test_round_asks_each_client_with_a_machtiging_that_ends_soon_once(ending):
    worker = await log_in(ending)
    listed = (await worker.open_page(ISSUER + PATH)).text
    assert ("Anna de Boer" in listed, "Mo Haddou" in listed, "Nel Kuipers" in listed) == (True, True, False)
    shown = await ask(worker)
    assert shown.text.count("Wacht op antwoord") == 3
    assert await QUESTIONS.count(ending.world) == 2
    asked = [row.person_id for row in await NOTIFICATIONS.read(ending.world, kind="verlenging_gevraagd")]
    assert set(asked) == {ending.people["Anna de Boer"], ending.people["Mo Haddou"]}
    lines = await JOURNAL_INTAKE.read(ending.world, act="machtiging:verlenging_gevraagd")
    assert {(row.actor_id, row.on_behalf_of) for row in lines} == {(ending.worker, ending.organisation)}
    again = await worker.open_page(ISSUER + PATH)
    assert "U vroeg het al aan iedereen in deze lijst." in again.text


async def test_round_pressed_twice_is_one_round(ending):
    worker = await log_in(ending)
    form = (await worker.open_page(ISSUER + PATH)).find_form(PATH)
    first = await worker.submit_form(form, {})
    url = worker.url
    again = await worker.submit_form(form, {})
    assert (worker.url, again.text) == (url, first.text)
    assert await QUESTIONS.count(ending.world) == 2


async def test_second_round_within_thirty_days_asks_no_client_again(ending):
    worker = await log_in(ending)
    form = (await worker.open_page(ISSUER + PATH)).find_form(PATH)
    await worker.submit_form(form, {})
    refused = await worker.submit_form(form, {"sleutel": "A" * 22}, expected_status=409)
    assert "niemand om te vragen" in refused.text
    await ending.add_client("Rosa Fernandes", ends_at=ending.days(5))
    await ask(worker)
    assert await QUESTIONS.count(ending.world) == 3


async def test_rounds_at_once_ask_each_client_once(ending):
    login = EmployeeLogin(ending.worker, ending.kvk, Assurance.SUBSTANTIAL)

    async def one(number):
        async with unit_of_work(ending.world.sessions) as session:
            return await ask_renewals(session, ending.world.keyring, login, str(number), at=ending.world.clock.now())

    results = await asyncio.gather(*(one(number) for number in range(3)), return_exceptions=True)
    assert sum(isinstance(result, Conflict) for result in results) == 2
    assert await QUESTIONS.count(ending.world) == 2


async def test_question_answered_yes_extends_machtiging_and_assignment(ending):
    worker = await log_in(ending)
    await ask(worker)
    url = worker.url
    client, page = await open_question(ending, "Anna de Boer")
    assert "vraagt of deze machtiging langer mag duren" in page.text
    form = (await client.open_page(page_url(page, "/verlengen"))).find_form("/verlengen")
    later = (ending.world.clock.now() + timedelta(days=90)).date().isoformat()
    await client.submit_form(form, {"tot": later})
    states = {row.party_id: row.state for row in await QUESTIONS.read(ending.world)}
    assert states[ending.people["Anna de Boer"]] == "ingewilligd"
    newest = await AGREEMENTS.read(ending.world, machtiging_id=ending.held["Anna de Boer"])
    assert max(row.ends_at for row in newest) > ending.days(60)
    shown = (await worker.open_page(url)).text
    assert "Antwoord op" in shown
    assert "vraagt of u de machtiging wilt verlengen" not in (await client.open_page(ISSUER + "/")).text


def page_url(page, ending_of_path):
    """The address of a link on a page."""
    return ISSUER + next(href for href, _ in page.links if href.endswith(ending_of_path))


async def test_question_answered_no_changes_nothing_and_is_not_asked_again(ending):
    worker = await log_in(ending)
    await ask(worker)
    client, page = await open_question(ending, "Mo Haddou")
    form = page.find_form("/verlengen/nee")
    for _ in range(2):
        assert "U zei nee." in (await client.submit_form(form, {})).text
    states = {row.party_id: row.state for row in await QUESTIONS.read(ending.world)}
    assert states[ending.people["Mo Haddou"]] == "geweigerd"
    assert await AGREEMENTS.count(ending.world, number=2) == 0
    told = await NOTIFICATIONS.read(ending.world, kind="verlenging_geweigerd")
    assert [row.person_id for row in told] == [ending.worker]
    assert "verlengen?" not in (await client.open_page(ISSUER + "/")).text
    assert "U vroeg het al aan iedereen" in (await worker.open_page(ISSUER + PATH)).text


async def test_no_after_yes_is_told(ending):
    await ask(await log_in(ending))
    client, page = await open_question(ending, "Anna de Boer")
    form = page.find_form("/verlengen/nee")
    extension = (await client.open_page(page_url(page, "/verlengen"))).find_form("/verlengen")
    later = (ending.world.clock.now() + timedelta(days=90)).date().isoformat()
    await client.submit_form(extension, {"tot": later})
    assert "al antwoord gegeven" in (await client.submit_form(form, {}, expected_status=409)).text


async def test_no_without_a_question_is_told_and_changes_nothing(ending):
    root = await MACHTIGINGEN.read_value(
        ending.world, "id", parent_id=None, vertegenwoordigde_id=ending.people["Nel Kuipers"]
    )
    client = await ending.portal.browser_of(ending.people["Nel Kuipers"])
    form = (await client.open_page(f"{ISSUER}/helpers/{root}")).find_form("/pauzeren")
    no = type(form)(f"/helpers/{root}/verlengen/nee", form.method, form.values)
    assert "Wij vinden deze vraag niet." in (await client.submit_form(no, {}, expected_status=409)).text
    assert await QUESTIONS.count(ending.world) == 0


async def test_question_of_another_client_cannot_be_answered(ending):
    await ask(await log_in(ending))
    _anna, page = await open_question(ending, "Anna de Boer")
    mo, own = await open_question(ending, "Mo Haddou")
    form = own.find_form("/verlengen/nee")
    foreign = page.find_form("/verlengen/nee").action
    await mo.submit_form(type(form)(foreign, form.method, form.values), {}, expected_status=404)
    assert {row.state for row in await QUESTIONS.read(ending.world)} == {"verstuurd"}


@pytest.mark.parametrize("change", [{"state": "op_non_actief"}, {"roles": ["teamleider"]}, {"state": "vertrokken"}])
async def test_round_of_employee_without_clients_now_is_refused(ending, change):
    worker = await log_in(ending)
    form = (await worker.open_page(ISSUER + PATH)).find_form(PATH)
    if change["state" if "state" in change else "roles"] == "vertrokken":
        change = change | {"ends_at": ending.world.clock.now()}
    async with ending.world.sessions.begin() as session:
        await change_employee(session, ending.employee, **change)
    await worker.submit_form(form, {}, expected_status=403)
    assert await QUESTIONS.count(ending.world) == 0


async def test_round_of_suspended_organisation_is_refused(ending):
    worker = await log_in(ending)
    form = (await worker.open_page(ISSUER + PATH)).find_form(PATH)
    async with ending.world.sessions.begin() as session:
        await decide_recognition(session, ending.organisation, 3, "opgeschort")
    await worker.submit_form(form, {}, expected_status=403)
    assert await QUESTIONS.count(ending.world) == 0
    assert (await JOURNAL_INTAKE.read(ending.world, act="machtiging:verlenging_gevraagd"))[-1].outcome == "refused"


async def test_paused_or_ended_assignment_is_not_asked(ending):
    at = ending.world.clock.now()
    async with ending.world.sessions.begin() as session:
        await update_machtiging(session, ending.held["Anna de Boer"], state="paused", paused_at=at)
        await update_machtiging(
            session, ending.held["Mo Haddou"], state="ended", ended_at=at, end_reason="teruggegeven"
        )
    listed = (await (await log_in(ending)).open_page(ISSUER + PATH)).text
    assert "Er eindigt nu niets" in listed


async def test_round_of_a_colleague_or_another_organisation_is_not_found(ending):
    worker = await log_in(ending)
    await ask(worker)
    path = worker.url.removeprefix(ISSUER)
    colleague = await ending.add_person("Kim Collega")
    async with ending.world.sessions.begin() as session:
        await add_employee(session, ending.organisation, colleague, starts_at=ending.world.clock.now())
    assert (await (await ending.log_in(colleague)).request(path)).status_code == 404
    assert (await (await ending.log_in(kvk=OTHER_KVK)).request(path)).status_code == 403


async def test_client_no_longer_assigned_has_no_name_in_the_round(ending):
    worker = await log_in(ending)
    await ask(worker)
    ended = {"state": "ended", "ended_at": ending.world.clock.now(), "end_reason": "teruggegeven"}
    async with ending.world.sessions.begin() as session:
        await update_machtiging(session, ending.held["Anna de Boer"], **ended)
    shown = (await worker.open_page(worker.url)).text
    assert "Anna de Boer" not in shown
    assert "Mo Haddou" in shown


async def test_question_changed_without_the_key_is_as_if_absent(ending):
    await ask(await log_in(ending))
    client, page = await open_question(ending, "Anna de Boer")
    table = table_of(MachtigingsverzoekRow)
    async with ending.world.sessions.begin() as session:
        await session.execute(update(table).values(expires_at=ending.days(25)))
    form = page.find_form("/verlengen/nee")
    await client.submit_form(form, {}, expected_status=409)
    assert {row.state for row in await QUESTIONS.read(ending.world)} == {"verstuurd"}
    assert await JOURNAL_INTAKE.count(ending.world, act="rij:geweigerd") >= 1


async def test_question_with_any_column_changed_without_the_key_is_as_if_absent(ending):
    await ask(await log_in(ending))
    table, nel = table_of(MachtigingsverzoekRow), ending.people["Nel Kuipers"]
    anna = await QUESTIONS.read_one(ending.world, party_id=ending.people["Anna de Boer"])
    other = await MACHTIGINGEN.read_value(ending.world, "id", parent_id=None, vertegenwoordigde_id=nel)
    forged = {
        "party_id": nel,
        "purpose": "iets anders",
        "channel": "brief",
        "scope": {"themes": []},
        "created_at": ending.days(-1),
        "seen_at": ending.world.clock.now(),
        "expires_at": ending.days(25),
        "extends_id": other,
        "round_id": uuid4(),
    }
    for column, value in forged.items():
        async with ending.world.sessions() as session:
            await session.execute(update(table).where(table.c.id == anna.id).values({column: value}))
            owner, root = forged["party_id"] if column == "party_id" else anna.party_id, anna.extends_id
            root = other if column == "extends_id" else root
            at = ending.world.clock.now()
            assert await load_waiting_question(session, root, owner, at=at) is None, column
            assert await list_questions_to_giver(session, owner, at=at) == [], column
            await session.rollback()
