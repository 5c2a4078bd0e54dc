"""/organisatie/vervangingen, and what the stand-in, the client and the organisation see of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from machtiging.kernel.clock import to_dutch_date
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.organisations import change_organisation
from tests.builders.people import ISSUER
from tests.protocol.organisation_pages.office import make_unknown_id

PATH = "/organisatie/vervangingen"


def make_values(office, replacement, days=6, **changes):
    first = to_dutch_date(office.portal.clock.now())
    last = first + timedelta(days=days)
    values = {"afwezige": str(office.rows.worker_id), "vervanger": str(replacement)}
    for name, day in (("van", first), ("tot", last)):
        values |= {f"{name}_dag": str(day.day), f"{name}_maand": str(day.month), f"{name}_jaar": str(day.year)}
    return values | changes


async def make_stand_in(office, browser, replacement, *, expect=200, **changes):
    form = (await browser.open_page(ISSUER + PATH)).find_form_with_field("afwezige")
    return await browser.submit_form(form, make_values(office, replacement, **changes), expected_status=expect)


async def test_page_without_stand_ins_is_empty_and_begins_today(office):
    page = await (await office.log_in()).open_page(ISSUER + PATH)
    assert "Er is nu geen vervanging" in page.text
    today = to_dutch_date(office.portal.clock.now())
    assert page.find_form_with_field("afwezige").values["van_dag"] == str(today.day)


async def test_stand_in_is_made_shown_and_stopped(office):
    _, replacement = await office.hire()
    browser = await office.log_in()
    page = await make_stand_in(office, browser, replacement)
    assert "De vervanging staat klaar" in page.text
    assert "Loopt nu" in page.text
    assert "De vervanging staat klaar" in (await make_stand_in(office, browser, replacement)).text
    form = page.find_form("/stoppen")
    assert "De vervanging is gestopt" in (await browser.submit_form(form, {})).text
    again = await browser.submit_form(form, {})
    assert "De vervanging is gestopt" in again.text
    assert "Er is nu geen vervanging" in again.text


async def test_stand_in_that_waits_for_a_second_person_says_so(office):
    await office.rows.assign(await office.rows.grant())
    async with unit_of_work(office.rows.database.sessions) as session:
        await change_organisation(session, office.rows.organisation, four_eyes_from="gewoon")
    _, replacement = await office.hire()
    browser = await office.log_in()
    for _ in range(2):
        page = await make_stand_in(office, browser, replacement)
        assert "De vervanging wacht op een tweede persoon." in page.text
        assert "De vervanging staat klaar" not in page.text
    assert await office.rows.load_recipients("vervanging_door_u") == []
    assert await office.rows.load_recipients("vervanging") == []


async def test_stand_in_sees_the_clients_with_the_name_of_the_absent_colleague(office):
    link = await office.rows.assign(await office.rows.grant())
    person, replacement = await office.hire()
    await make_stand_in(office, await office.log_in(), replacement)
    browser = await office.log_in(person)
    page = await browser.open_page(ISSUER + "/werk/clienten")
    assert "U vervangt Hugo Hulpverlener" in page.text
    (client,) = {href for href, _ in page.links if "/werk/clienten/" in href}
    assert "U vervangt Hugo Hulpverlener" in (await browser.open_page(ISSUER + client.removeprefix(ISSUER))).text
    own = await (await office.log_in(office.rows.worker)).open_page(ISSUER + "/werk/clienten")
    assert "U vervangt" not in own.text
    assert link


async def test_citizen_sees_the_stand_in_with_the_name_of_the_absent_colleague(office):
    root = await office.rows.grant()
    await office.rows.assign(root)
    person, replacement = await office.hire()
    await make_stand_in(office, await office.log_in(), replacement)
    browser = await office.log_in(person)
    page = await browser.open_page(ISSUER + "/werk/clienten")
    (client,) = {href for href, _ in page.links if "/werk/clienten/" in href}
    await browser.open_page(ISSUER + client.removeprefix(ISSUER) + "/brieven")
    mother = await office.portal.mother()
    readers = (await mother.open_page(f"{ISSUER}/helpers/{root}/medewerkers")).text
    assert "Noor Nieuw" in readers
    assert "vervanger van Hugo Hulpverlener" in readers
    assert "vervanger van Hugo Hulpverlener" in (await mother.open_page(ISSUER + "/wie-keek-mee")).text


async def test_access_of_the_stand_in_ends_with_the_last_day(office):
    await office.rows.assign(await office.rows.grant())
    person, replacement = await office.hire()
    await make_stand_in(office, await office.log_in(), replacement, days=0)
    assert "U vervangt" in (await (await office.log_in(person)).open_page(ISSUER + "/werk/clienten")).text
    office.portal.clock.advance(timedelta(days=1))
    assert "U vervangt" not in (await (await office.log_in(person)).open_page(ISSUER + "/werk/clienten")).text


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"afwezige": ""}, 400),
        ({"vervanger": ""}, 400),
        ({"afwezige": "x"}, 400),
        ({"tot_dag": "31", "tot_maand": "2"}, 400),
        ({"tot_jaar": ""}, 400),
        ({"van_jaar": "2020"}, 400),
        ({"tot_jaar": "2099"}, 400),
    ],
)
async def test_form_with_a_fault_is_shown_again(office, changes, status):
    _, replacement = await office.hire()
    page = await make_stand_in(office, await office.log_in(), replacement, expect=status, **changes)
    assert "Fout:" in page.text
    assert page.find_form_with_field("afwezige").values["van_dag"]


async def test_stand_in_for_oneself_or_twice_is_refused_on_the_page(office):
    (_, first), (_, second) = await office.hire("Noor"), await office.hire("Omar")
    browser = await office.log_in()
    worker = office.rows.worker_id
    assert "Niemand vervangt zichzelf" in (await make_stand_in(office, browser, worker, expect=409)).text
    await make_stand_in(office, browser, first)
    assert "dan al een vervanger" in (await make_stand_in(office, browser, second, expect=409)).text


async def test_page_is_refused_for_a_care_worker(office):
    browser = await office.log_in(office.rows.worker)
    assert (await browser._send_request("GET", ISSUER + PATH, None)).status_code == 403


async def test_end_of_an_unknown_stand_in_returns_404(office):
    browser = await office.log_in()
    csrf = (await browser.open_page(ISSUER + PATH)).find_form_with_field("afwezige").values["csrf"]
    path = f"{PATH}/{make_unknown_id()}/stoppen"
    assert (await browser._send_request("POST", ISSUER + path, {"csrf": csrf})).status_code == 404
