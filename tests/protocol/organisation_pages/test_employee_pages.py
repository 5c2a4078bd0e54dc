"""/organisatie/medewerkers: an organisatiebeheerder invites, changes, puts on leave and lets leave."""

from __future__ import annotations

import pytest

from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.organisations import OTHER_KVK, decide_recognition
from tests.builders.people import ISSUER
from tests.builders.rows import EMPLOYEES, MACHTIGINGEN
from tests.protocol.organisation_pages.office import OfficePages, make_unknown_id

LIST, INVITE = "/organisatie/medewerkers", "/organisatie/medewerkers/uitnodigen"
NEW = {"naam": "Noor Nieuw", "inlogkenmerk": "noor-1", "rol": ["hulpverlener"]}


async def invite(browser, *, expect=200, **changes):
    form = (await browser.open_page(ISSUER + INVITE)).find_form(INVITE)
    return await browser.submit_form(form, NEW | changes, expected_status=expect)


async def press(browser, path, values):
    csrf = (await browser.open_page(ISSUER + "/")).find_form("/uitloggen").values["csrf"]
    return await browser._send_request("POST", ISSUER + path, {"csrf": csrf} | values)


async def read_state(office, employee):
    return await EMPLOYEES.read_value(office.rows.database, "state", id=employee)


async def test_list_has_roles_states_and_numbers_of_clients(office):
    await office.rows.assign(await office.rows.grant())
    page = await (await office.log_in_administrator()).open_page(ISSUER + LIST)
    assert "Hugo Hulpverlener" in page.text
    assert "1 cliënt" in page.text
    assert page.text.count("0 cliënten") == 2


async def test_invited_employee_is_listed_and_the_same_form_again_is_told(office):
    browser = await office.log_in_administrator()
    page = await invite(browser)
    assert "Noor Nieuw" in page.text
    assert "Uitgenodigd" in page.text
    again = await invite(browser, expect=409)
    assert again.find_form(INVITE).values["naam"] == "Noor Nieuw"
    outcomes = await office.read_outcomes("medewerker:uitgenodigd")
    assert sorted(outcomes) == [("done", "uitgenodigd"), ("refused", "al_medewerker")]


@pytest.mark.parametrize(
    "changes",
    [
        {"naam": ""},
        {"inlogkenmerk": " "},
        {"rol": []},
        {"rol": ["directeur"]},
        {"rol": ["toezicht", "hulpverlener"]},
        {"naam": "x" * 201},
        {"naam": "een\x00naam"},
    ],
)
async def test_invitation_with_bad_input_is_shown_again(office, changes):
    before = await EMPLOYEES.count(office.rows.database)
    page = await invite(await office.log_in_administrator(), expect=400, **changes)
    kept = {"inlogkenmerk", "naam"} - set(changes)
    assert {name: page.find_form(INVITE).values[name] for name in kept} == {name: NEW[name] for name in kept}
    assert await EMPLOYEES.count(office.rows.database) == before


async def test_roles_change_and_leave_ends_access_on_the_next_request(office):
    link = await office.rows.assign(await office.rows.grant())
    box = await office.open_box(office.rows.worker, link)
    browser, path = await office.log_in_administrator(), f"{LIST}/{office.rows.worker_id}"
    for values, status in (({"status": "op_non_actief"}, 403), ({"status": "actief"}, 200), ({"rol": ["balie"]}, 403)):
        assert (await press(browser, path, values)).status_code == 303
        assert (await box.get()).status_code == status
    assert (await press(browser, path, {"status": "actief"})).status_code == 303
    reasons = [reason for _, reason in await office.read_outcomes("medewerker:gewijzigd")]
    assert sorted(reasons) == ["actief", "medewerker_niet_op_non_actief", "op_non_actief", "rollen"]


async def test_departure_counts_clients_without_reader_and_ends_access(office):
    _, colleague = await office.hire()
    shared = await office.rows.grant(purpose="gedeeld")
    await office.rows.assign(shared, colleague)
    await office.rows.assign(shared)
    link = await office.rows.assign(await office.rows.grant())
    box = await office.open_box(office.rows.worker, link)
    browser, path = await office.log_in_administrator(), f"{LIST}/{office.rows.worker_id}/vertrek"
    page = await browser.open_page(ISSUER + path)
    assert "leest nu voor 2 cliënten" in page.text
    assert "1 cliënt heeft daarna geen lezer meer" in page.text
    form = page.find_form("/vertrek")
    done = await browser.submit_form(form, {})
    assert "is vertrokken" in done.text
    assert "1 cliënt heeft nu geen lezer en staat in de overdracht" in done.text
    assert (await box.get()).status_code in {403, 404}
    assert await read_state(office, office.rows.worker_id) == "vertrokken"
    again = await browser.submit_form(form, {})
    assert "is vertrokken" in again.text
    assert "1 cliënt heeft nu geen lezer en staat in de overdracht" in again.text
    assert "1 cliënt heeft nu geen lezer" in (await browser.open_page(ISSUER + "/organisatie")).text


@pytest.mark.parametrize("act", ["/vertrek", ""])
async def test_last_administrator_does_not_leave(office, act):
    browser = await office.log_in_administrator()
    values = {} if act else {"rol": ["balie"]}
    answer = await press(browser, f"{LIST}/{office.administrator_id}{act}", values)
    assert answer.status_code == 409
    assert "beheerder" in answer.text
    assert await read_state(office, office.administrator_id) == "actief"


async def test_team_leader_sees_employees_and_changes_nothing(office):
    browser = await office.log_in()
    page = await browser.open_page(ISSUER + LIST)
    assert "Alleen een organisatiebeheerder" in page.text
    assert INVITE not in {href.removeprefix(ISSUER) for href, _ in page.links}
    for path, values in (
        (INVITE, NEW),
        (f"{LIST}/{office.rows.worker_id}", {"rol": ["balie"]}),
        (f"{LIST}/{office.rows.worker_id}/vertrek", {}),
    ):
        assert (await press(browser, path, values)).status_code == 403
    assert await read_state(office, office.rows.worker_id) == "actief"


@pytest.mark.parametrize("page", ["", "/vertrek"])
async def test_employee_of_another_organisation_is_answered_as_an_unknown_one(office, portal, database, page):
    theirs = await OfficePages.begin(portal, database, OTHER_KVK)
    browser = await office.log_in_administrator()
    for employee in (theirs.rows.worker_id, make_unknown_id()):
        path = f"{LIST}/{employee}{page}"
        assert (await browser._send_request("GET", ISSUER + path, None)).status_code == 404
        assert (await press(browser, path, {"rol": ["balie"]})).status_code == 404
    assert await read_state(theirs, theirs.rows.worker_id) == "actief"


async def test_suspended_organisation_takes_away_and_gives_nothing(office):
    async with unit_of_work(office.rows.database.sessions) as session:
        await decide_recognition(session, office.rows.organisation, 3, "opgeschort")
    browser, path = await office.log_in_administrator(), f"{LIST}/{office.rows.worker_id}"
    await invite(browser, expect=409)
    assert (await press(browser, path, {"rol": ["hulpverlener", "teamleider"]})).status_code == 409
    assert (await press(browser, path, {"status": "op_non_actief"})).status_code == 303
    assert (await press(browser, path, {"status": "actief"})).status_code == 409
    assert await read_state(office, office.rows.worker_id) == "op_non_actief"
    assert await MACHTIGINGEN.count(office.rows.database) == 0


async def test_care_worker_has_no_page_of_employees(office):
    browser = await office.log_in(office.rows.worker)
    for path in (LIST, INVITE, f"{LIST}/{office.rows.worker_id}", f"{LIST}/{office.rows.worker_id}/vertrek"):
        assert (await browser._send_request("GET", ISSUER + path, None)).status_code == 403


async def test_organisation_with_withdrawn_recognition_still_lets_employees_go(office):
    async with unit_of_work(office.rows.database.sessions) as session:
        await decide_recognition(session, office.rows.organisation, 3, "ingetrokken")
    browser = await office.log_in_administrator()
    page = await browser.open_page(f"{ISSUER}{LIST}/{office.rows.worker_id}/vertrek")
    assert "Hugo Hulpverlener" in page.text
    left = await browser.submit_form(page.find_form("/vertrek"), {})
    assert "vertrokken" in left.text
