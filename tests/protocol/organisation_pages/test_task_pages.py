"""/organisatie/taken: all clients without a reader in one press."""

import asyncio
from uuid import uuid4

import pytest

from machtiging.delegation.assignment_tasks.execution import run_due_items, run_next_item
from machtiging.delegation.assignments.clients import MAX_CLIENTS_PER_PAGE
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.tasks.tables import Task
from tests.builders.keys import load_keyring
from tests.builders.organisations import OTHER_KVK, decide_recognition
from tests.builders.people import ISSUER
from tests.builders.rows import MACHTIGINGEN, TableReader
from tests.protocol.organisation_pages.office import CLIENTS, OfficePages

PATH = "/organisatie/taken"
TASKS = TableReader(Task)
ALL = {"alle": "zonder-lezer"}


async def ask(office, browser, **changes):
    """Choose all clients without a reader. Returns the page and its path."""
    form = (await browser.open_page(ISSUER + CLIENTS)).find_form_with_field("medewerker")
    values = form.values | ALL | {"medewerker": str(office.rows.worker_id)} | changes
    answer = await browser._send_request("POST", ISSUER + CLIENTS, values)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].removeprefix(ISSUER), values


async def read(browser, path):
    return await browser._send_request("GET", ISSUER + path, None)


async def work(office):
    rows = office.rows
    await run_due_items(rows.database.sessions, load_keyring(), office.portal.clock, asyncio.Event())


async def count_links(office):
    return await MACHTIGINGEN.count(office.rows.database, employee_id=office.rows.worker_id, state="active")


async def test_all_clients_without_reader_are_assigned_in_a_task(office):
    held = await office.rows.grant()
    await office.rows.assign(held, office.rows.worker_id)
    for _ in range(3):
        await office.rows.grant()
    browser = await office.log_in()
    path, _ = await ask(office, browser)
    waiting = await browser.open_page(ISSUER + path)
    assert "0 van 3 gedaan" in waiting.text
    assert "Ververs" in waiting.text
    assert await count_links(office) == 1
    await work(office)
    done = await browser.open_page(ISSUER + path)
    assert "De taak is klaar" in done.text
    assert "Ververs" not in done.text
    assert done.text.count("Toegewezen") == 3
    assert await count_links(office) == 4


async def test_choice_of_all_is_offered_when_they_do_not_fit_on_a_page(office):
    for _ in range(MAX_CLIENTS_PER_PAGE):
        await office.rows.grant()
    browser = await office.log_in()
    assert "alle 50 cliënten" not in (await browser.open_page(ISSUER + CLIENTS)).text
    await office.rows.grant()
    page = await browser.open_page(ISSUER + CLIENTS)
    assert "Of kies alle 51 cliënten zonder lezer" in page.text
    path, _ = await ask(office, browser)
    await work(office)
    first = await browser.open_page(ISSUER + path)
    second = await browser.open_page(f"{ISSUER}{path}?na=49")
    assert first.text.count("Toegewezen") == MAX_CLIENTS_PER_PAGE
    assert second.text.count("Toegewezen") == 1


async def test_form_sent_again_leads_to_the_same_task(office):
    await office.rows.grant()
    browser = await office.log_in()
    path, values = await ask(office, browser)
    for _ in range(2):
        again = await browser._send_request("POST", ISSUER + CLIENTS, values)
        assert again.headers["location"].removeprefix(ISSUER) == path
        await work(office)
    assert await TASKS.count(office.rows.database) == 1
    assert await count_links(office) == 1


async def test_no_client_without_reader_is_said(office):
    await office.rows.assign(await office.rows.grant(), office.rows.worker_id)
    browser = await office.log_in()
    form = (await browser.open_page(ISSUER + CLIENTS)).find_form_with_field("medewerker")
    page = await browser.submit_form(form, ALL | {"medewerker": str(office.rows.worker_id)}, expected_status=409)
    assert "Alle cliënten hebben nu een lezer" in page.text


async def test_choice_of_all_without_employee_keeps_the_choice(office):
    await office.rows.grant()
    browser = await office.log_in()
    form = (await browser.open_page(ISSUER + CLIENTS)).find_form_with_field("medewerker")
    page = await browser.submit_form(form, ALL | {"zaakkenmerk": "Z-1"}, expected_status=400)
    assert "Kies een medewerker." in page.text
    assert await TASKS.count(office.rows.database) == 0


async def test_refused_items_say_why_and_can_be_shown_alone(office):
    await office.rows.grant()
    browser = await office.log_in()
    path, _ = await ask(office, browser)
    async with unit_of_work(office.rows.database.sessions) as session:
        await decide_recognition(session, office.rows.organisation, 3, "opgeschort")
    await work(office)
    page = await browser.open_page(f"{ISSUER}{path}?toon=geweigerd")
    assert "Niet toegewezen" in page.text
    assert "Toon alles" in page.text
    assert await count_links(office) == 0


async def test_task_is_stopped_after_a_question_with_what_is_done(office):
    for _ in range(3):
        await office.rows.grant()
    browser = await office.log_in()
    path, _ = await ask(office, browser)
    await run_next_item(office.rows.database.sessions, load_keyring(), office.portal.clock)
    assert f"{path}/stoppen" in (await read(browser, PATH)).text
    assert f"{path}/stoppen" in (await read(browser, path)).text
    question = await browser.open_page(f"{ISSUER}{path}/stoppen")
    assert "Gedaan: 1 van 3" in question.text
    assert "Nog niet gedaan: 2" in question.text
    form = question.find_form("/stoppen")
    for _ in range(2):  # a second press changes nothing
        page = await browser.submit_form(form, {})
        assert "De taak is gestopt" in page.text
        assert "Niet meer gedaan: 2" in page.text
        assert f"{path}/stoppen" not in page.text
    assert "Gestopt" in (await read(browser, PATH)).text
    assert "1 van 3 gedaan" in (await read(browser, PATH)).text
    assert (await read(browser, f"{path}/stoppen")).headers["location"] == path
    await work(office)
    assert await count_links(office) == 1
    log = await (await office.log_in_administrator()).open_page(ISSUER + "/organisatie/logboek")
    assert "stopte een taak met veel toewijzingen" in log.text


async def test_task_of_a_colleague_is_stopped_by_an_administrator_only(office):
    await office.rows.grant()
    path, _ = await ask(office, await office.log_in())
    colleague, _ = await office.hire("Tom Leider", roles=["teamleider"])
    for person, status in ((colleague, 404), (office.rows.worker, 403)):
        browser = await office.log_in(person)
        assert (await read(browser, f"{path}/stoppen")).status_code == status
        csrf = (await browser.open_page(ISSUER + "/")).find_form("/uitloggen").values["csrf"]
        sent = await browser._send_request("POST", f"{ISSUER}{path}/stoppen", {"csrf": csrf})
        assert sent.status_code == status
    administrator = await office.log_in_administrator()
    question = await administrator.open_page(f"{ISSUER}{path}/stoppen")
    assert "De taak is gestopt" in (await administrator.submit_form(question.find_form("/stoppen"), {})).text
    assert await count_links(office) == 0


async def test_task_page_is_for_the_asker_and_administrators(office):
    await office.rows.grant()
    path, _ = await ask(office, await office.log_in())
    colleague, _ = await office.hire("Tom Leider", roles=["teamleider"])
    assert (await read(await office.log_in(colleague), path)).status_code == 404
    administrator = await office.log_in_administrator()
    assert "Tess Leider" in (await administrator.open_page(ISSUER + path)).text
    assert path in (await read(administrator, PATH)).text
    assert path not in (await read(await office.log_in(colleague), PATH)).text
    assert (await read(await office.log_in(office.rows.worker), path)).status_code == 403


async def test_task_of_another_organisation_is_answered_as_an_unknown_one(office, portal, database):
    await office.rows.grant()
    path, _ = await ask(office, await office.log_in())
    other = await OfficePages.begin(portal, database, OTHER_KVK)
    stranger = await other.log_in_administrator()
    for where in (path, f"{PATH}/{uuid4()}"):
        assert (await read(stranger, where)).status_code == 404
    assert path not in (await read(stranger, PATH)).text


@pytest.mark.parametrize("query", ["na=-1", "na=10000", "na=x", "toon=%00", "toon=iets"])
async def test_bad_query_shows_a_page_or_is_refused(office, query):
    await office.rows.grant()
    browser = await office.log_in()
    path, _ = await ask(office, browser)
    assert (await read(browser, f"{path}?{query}")).status_code in {200, 400}


async def test_list_without_tasks_says_so(office):
    assert "Er zijn geen taken" in (await (await office.log_in()).open_page(ISSUER + PATH)).text
