"""The saved filters of an employee: saved, opened in one press, deleted, and hers alone."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import delete, text

from machtiging.delegation.caseload import saved_filters
from machtiging.delegation.handover.departure import record_departure
from machtiging.organisations.rules import ActingOperator
from machtiging.organisations.tables import SavedFilterRow
from machtiging.storage.columns import table_of
from tests.builders.database import record_queries
from tests.builders.organisations import OTHER_KVK, add_employee, add_organisation, change_employee
from tests.builders.people import ISSUER
from tests.builders.rows import JOURNAL_INTAKE, TableReader
from tests.protocol.letters.box import statements_of
from tests.protocol.portal.test_kept_forms import read_return_path

PATH, CLIENTS, TODAY = "/werk/filters", "/werk/clienten", "/werk"
ENDING = {"lijst": "clienten", "toon": "bijna-voorbij", "volgorde": "einddatum"}
ENDING_HREF = "/werk/clienten?toon=bijna-voorbij&volgorde=einddatum"
SVB_OIN = "00000099000000001000"
FILTERS = TableReader(SavedFilterRow)
OTHER_ID = "018f0000-0000-7000-8000-000000000001"


@pytest.fixture
async def worker(office):
    """A browser of the employee."""
    return await office.portal.browser_of(office.worker, kvk=office.kvk)


async def press(browser, path=PATH, **values):
    csrf = (await browser.open_page(ISSUER + "/werk")).find_form("/uitloggen").values["csrf"]
    return await browser._send_request("POST", ISSUER + path, {"csrf": csrf} | values)


async def save(browser, name="Deze week aflopend", **values):
    return await press(browser, naam=name, **(values or ENDING))


async def links_on(browser, path=CLIENTS):
    return {label.strip(): href for href, label in (await browser.open_page(ISSUER + path)).links}


async def names_of(browser):
    page = await browser.open_page(ISSUER + PATH)
    return [label.strip() for href, label in page.links if href.startswith((f"{CLIENTS}?", f"{TODAY}?"))]


async def test_filter_is_saved_from_the_list_and_opens_in_one_press(office, worker):
    await office.add_client("Anna de Boer", None, ends_at=office.days(10))
    links = await links_on(worker, ENDING_HREF)
    page = await worker.open_page(ISSUER + links["Bewaar dit filter"])
    assert "eindigt binnen 30 dagen, volgorde: Wat het eerst eindigt" in page.text
    page = await worker.submit_form(page.find_form(PATH), {"naam": "Deze week aflopend"})
    assert worker.url == ISSUER + ENDING_HREF
    assert "Anna de Boer" in page.text
    links = await links_on(worker)
    assert links["Deze week aflopend"] == ENDING_HREF
    assert "Bewaar dit filter" not in await links_on(worker, ENDING_HREF)


async def test_filter_of_the_letters_is_opened_from_the_page_of_filters(office, worker):
    chosen = {"lijst": "brieven", "afzender": SVB_OIN, "thema": "zorg", "ongelezen": "ja", "volgorde": "einddatum"}
    await save(worker, "Zorg van de SVB", **chosen)
    href = f"/werk?volgorde=einddatum&afzender={SVB_OIN}&thema=zorg&ongelezen=ja"
    assert (await links_on(worker, (await links_on(worker, TODAY))["Uw filters"]))["Zorg van de SVB"] == href
    assert "Zorg van de SVB" not in await links_on(worker)
    await worker.open_page(ISSUER + href)


async def test_list_without_a_choice_offers_nothing_to_save(office, worker):
    for path in (TODAY, CLIENTS):
        assert "Bewaar dit filter" not in await links_on(worker, path)
    assert "Uw filters" not in await links_on(worker, CLIENTS)


@pytest.mark.parametrize("path", [f"{CLIENTS}?zoek=boer", f"{CLIENTS}?volgorde=zaakkenmerk"])
async def test_search_and_order_of_references_link_to_the_page_of_filters(office, worker, path):
    await save(worker)
    links = await links_on(worker, path)
    assert links["Uw filters"] == PATH
    assert "Deze week aflopend" not in links


async def test_search_client_and_place_in_the_list_are_not_saved(office, worker):
    client = await office.add_client("Anna de Boer", None, "Brief")
    href = (await links_on(worker, f"{CLIENTS}?zoek=boer&toon=ongelezen"))["Bewaar dit filter"]
    assert href == f"{PATH}?lijst=clienten&toon=ongelezen"
    assert "Bewaar dit filter" not in await links_on(worker, f"{CLIENTS}?zoek=boer")
    href = (await links_on(worker, f"{TODAY}?client={client}&ongelezen=ja"))["Bewaar dit filter"]
    assert href == f"{PATH}?lijst=brieven&ongelezen=ja"
    page = await worker.open_page(ISSUER + href)
    assert "Een zoekterm of een gekozen cliënt bewaren we niet." in page.text
    await save(worker, "Boer", **ENDING, zoek="boer", client=str(client), vanaf="x", bsn="999990032", csrf2="x")
    assert (await links_on(worker))["Boer"] == ENDING_HREF


async def test_row_holds_neither_name_nor_choice_in_plain(office, worker, superuser_connection):
    await save(worker, "Mevrouw De Boer")
    (row,) = await superuser_connection.fetch("SELECT saved_filter::text AS row, sealed FROM saved_filter")
    for word in ("Boer", "bijna-voorbij", "clienten"):
        assert word not in row["row"]
        assert word.encode() not in row["sealed"]
    assert await JOURNAL_INTAKE.count(office.world, act="filter") == 0


async def test_filter_is_deleted_and_a_second_press_says_it_is_gone(office, worker):
    await save(worker)
    page = await worker.open_page(ISSUER + PATH)
    form = page.find_form("/verwijderen")
    page = await worker.submit_form(form, {})
    assert "Het filter is verwijderd." in page.text
    assert await FILTERS.count(office.world) == 0
    page = await worker.submit_form(form, {}, expected_status=404)
    assert "Misschien heeft u het al verwijderd." in page.text


async def test_same_form_again_or_at_once_saves_one_filter(office, worker):
    csrf = (await worker.open_page(ISSUER + "/werk")).find_form("/uitloggen").values["csrf"]
    sent = {"csrf": csrf, "naam": "Aflopend", **ENDING}
    answers = await asyncio.gather(*(worker._send_request("POST", ISSUER + PATH, sent) for _ in range(4)))
    assert [answer.status_code for answer in answers] == [303] * 4
    assert await FILTERS.count(office.world) == 1


@pytest.mark.parametrize("name", ["Deze week aflopend", "DEZE WEEK AFLOPEND", "  Deze   week aflopend "])
async def test_name_of_another_filter_is_refused_and_the_form_stays(office, worker, name):
    await save(worker)
    answer = await save(worker, name, lijst="clienten", toon="ongelezen")
    assert answer.status_code == 409
    assert "U heeft al een ander filter met deze naam." in answer.text
    assert 'name="toon" value="ongelezen"' in answer.text
    assert await names_of(worker) == ["Deze week aflopend"]


@pytest.mark.parametrize("name", ["", "   ", "x" * 41, "a\x00b", "a\u202eb", "\u3164"])
async def test_name_that_is_no_plain_line_is_refused(office, worker, name):
    answer = await save(worker, name)
    assert answer.status_code == 400
    assert await FILTERS.count(office.world) == 0


@pytest.mark.parametrize("name", ["999990032", "bsn 9999.90.032", "１２３４５６７８９"])
async def test_name_with_a_bsn_is_refused(office, worker, name):
    answer = await save(worker, name)
    assert answer.status_code == 400
    assert "Zet geen BSN in de naam van een filter." in answer.text


async def test_name_of_forty_characters_with_markup_is_shown_as_text(office, worker):
    name = ("<b>Zoë & co</b> " + "é" * 40)[:40]
    assert (await save(worker, name)).status_code == 303
    page = await worker.open_page(ISSUER + CLIENTS)
    assert name in [label for _, label in page.links]


@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"lijst": "medewerkers"},
        {"lijst": "clienten", "toon": "alles"},
        {"lijst": "clienten", "volgorde": "bsn"},
        {"lijst": "clienten", "volgorde": "nieuwste"},
        {"lijst": "brieven", "thema": "x' OR 1=1"},
        {"lijst": "brieven", "ongelezen": "nee"},
        {"lijst": "brieven", "afzender": "999990032"},
        {"lijst": "brieven", "afzender": "De Boer"},
    ],
)
async def test_filter_with_a_field_or_value_of_no_list_is_refused(office, worker, choice):
    answer = await press(worker, naam="Fout", **choice)
    assert answer.status_code == 400
    assert "Dit filter kunnen we niet bewaren." in answer.text
    assert await FILTERS.count(office.world) == 0
    if choice:
        query = "&".join(f"{name}={value}" for name, value in choice.items())
        assert (await worker._send_request("GET", f"{ISSUER}{PATH}?{query}", None)).status_code == 400


async def test_page_ignores_parameters_that_are_no_field(office, worker):
    await worker.open_page(f"{ISSUER}{PATH}?request=1&self=2&gedaan=x&zoek=boer")


async def test_more_filters_than_the_limit_are_refused(office, worker, monkeypatch):
    monkeypatch.setattr(saved_filters, "MAX_FILTERS", 2)
    for number in range(2):
        assert (await save(worker, f"Filter {number}")).status_code == 303
    answer = await save(worker, "Filter 2")
    assert answer.status_code == 409
    assert "U heeft al 2 filters bewaard." in answer.text
    assert (await save(worker, "Filter 1")).status_code == 303


async def test_idor_filter_of_another_employee_is_not_found_and_not_shown(office, worker):
    await save(worker)
    filter_id = await FILTERS.read_value(office.world, "id")
    other = await office.add_person("Bo Collega")
    async with office.world.sessions.begin() as session:
        await add_employee(session, office.organisation, other, starts_at=office.world.clock.now())
        second = await add_organisation(session, OTHER_KVK)
        await add_employee(session, second, office.worker, starts_at=office.world.clock.now())
    colleague = await office.portal.browser_of(other, kvk=office.kvk)
    elsewhere = await office.portal.browser_of(office.worker, kvk=OTHER_KVK)
    private = await office.portal.browser_of(office.worker)
    for browser in (colleague, elsewhere, private):
        assert await names_of(browser) == []
        answers = [await press(browser, f"{PATH}/{one}/verwijderen") for one in (filter_id, OTHER_ID)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert "Deze week aflopend" not in answers[0].text
    assert await names_of(worker) == ["Deze week aflopend"]
    assert (await press(worker, f"{PATH}/x/verwijderen")).status_code == 404


async def _put_off_duty(office):
    async with office.world.sessions.begin() as session:
        await change_employee(session, office.employee, state="op_non_actief")


async def _leave(office):
    async with office.world.sessions.begin() as session:
        at = office.world.clock.now()
        await change_employee(session, office.employee, state="vertrokken", ends_at=at)


@pytest.mark.parametrize("change", [_put_off_duty, _leave])
async def test_login_without_an_active_employee_saves_nothing(office, worker, change):
    await change(office)
    answer = await save(worker)
    assert answer.status_code == 403
    assert "Daar bent u geen actieve medewerker van." in answer.text


async def test_private_login_saves_nothing_and_is_offered_nothing(office):
    private = await office.portal.browser_of(office.worker)
    assert "Bewaar dit filter" not in await links_on(private, ENDING_HREF)
    assert (await save(private)).status_code == 403


async def test_filters_are_deleted_with_the_departure_of_the_employee_alone(office, worker):
    await save(worker)
    other = await office.add_person("Bo Collega")
    async with office.world.sessions.begin() as session:
        await add_employee(session, office.organisation, other, starts_at=office.world.clock.now())
    colleague = await office.portal.browser_of(other, kvk=office.kvk)
    await save(colleague, "Van Bo")
    async with office.world.sessions.begin() as session:
        at = office.world.clock.now()
        await record_departure(session, office.world.keyring, ActingOperator(None, "root"), office.employee, at=at)
    assert await FILTERS.read_column(office.world, "person_id") == [other]
    assert await names_of(colleague) == ["Van Bo"]


@pytest.mark.parametrize("column", ["id", "person_id", "organisation_id", "sealed"])
async def test_row_moved_or_changed_in_the_database_is_no_filter(office, worker, superuser_connection, column):
    await save(worker)
    other = await office.add_person("Bo Collega")
    async with office.world.sessions.begin() as session:
        await add_employee(session, office.organisation, other, starts_at=office.world.clock.now())
        second = await add_organisation(session, OTHER_KVK)
        await add_employee(session, second, office.worker, starts_at=office.world.clock.now())
    value = {"id": uuid4(), "person_id": other, "organisation_id": second, "sealed": b"x" * 60}[column]
    await superuser_connection.execute(f"UPDATE saved_filter SET {column} = $1", value)
    logins = ((office.worker, office.kvk), (other, office.kvk), (office.worker, OTHER_KVK))
    for person, kvk in logins:
        assert await names_of(await office.portal.browser_of(person, kvk=kvk)) == []


async def test_service_cannot_change_a_filter(office, worker):
    await save(worker)
    async with office.world.sessions() as session:
        granted = await session.scalars(
            text(
                "SELECT privilege_type FROM information_schema.role_table_grants"
                " WHERE table_name = 'saved_filter' AND grantee = 'machtiging_service'"
            )
        )
        assert set(granted) == {"SELECT", "INSERT", "DELETE"}


async def test_form_over_an_ended_session_keeps_name_and_choice(office, worker):
    page = await worker.open_page(f"{ISSUER}{PATH}?lijst=clienten&toon=ongelezen")
    form = page.find_form(PATH)
    office.portal.clock.advance(office.portal.app.state.services.session_limits.idle_timeout)
    page = await worker.submit_form(form, {"naam": "Mijn nieuwe"}, expected_status=401)
    fresh = await office.portal.browser_of(office.worker, kvk=office.kvk)
    worker.cookies[ISSUER] |= fresh.cookies[ISSUER]
    back = (await worker.open_page(ISSUER + read_return_path(page))).find_form(PATH)
    assert back.values["naam"] == "Mijn nieuwe"
    assert (back.values["lijst"], back.values["toon"]) == ("clienten", "ongelezen")


async def test_form_without_csrf_token_saves_nothing(office, worker):
    await worker.open_page(ISSUER + PATH)
    answer = await worker._send_request("POST", ISSUER + PATH, {"naam": "x", **ENDING})
    assert answer.status_code == 403
    assert await FILTERS.count(office.world) == 0


async def test_twenty_filters_take_as_many_statements_as_none(office, worker, database):
    async def count(path):
        await worker.open_page(ISSUER + path)
        with record_queries(database) as queries:
            await worker.open_page(ISSUER + path)
        return len(statements_of(queries))

    few = [await count(path) for path in (TODAY, CLIENTS, PATH)]
    for number in range(20):
        await save(worker, f"Filter {number}")
    assert [await count(path) for path in (TODAY, CLIENTS, PATH)] == few
    assert len(await names_of(worker)) == 20
    async with office.world.sessions.begin() as session:
        await session.execute(delete(table_of(SavedFilterRow)))
