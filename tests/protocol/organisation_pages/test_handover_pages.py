"""/organisatie/overdrachten: the clients of employees who left, assigned in bulk."""

from __future__ import annotations

from datetime import timedelta

import pytest

from machtiging.delegation.handover.due_items import tell_due_clients
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.organisations import decide_recognition
from tests.builders.people import ISSUER
from tests.protocol.organisation_pages.office import OfficePages, make_unknown_id

PATH = "/organisatie/overdrachten"


async def leave(office: OfficePages, count: int = 1) -> list:
    """The care worker leaves with these many clients. Returns the machtigingen."""
    roots = [await office.rows.grant(purpose=f"post {number}") for number in range(count)]
    for root in roots:
        await office.rows.assign(root)
    browser, path = await office.log_in_administrator(), f"/organisatie/medewerkers/{office.rows.worker_id}/vertrek"
    form = (await browser.open_page(ISSUER + path)).find_form("/vertrek")
    await browser.submit_form(form, {})
    return roots


async def distribute(browser, roots, employee, *, expect=200):
    form = (await browser.open_page(ISSUER + PATH)).find_form_with_field("medewerker")
    values = {"client": [str(one) for one in roots], "medewerker": str(employee)}
    return form, await browser.submit_form(form, values, expected_status=expect)


async def test_page_without_a_departure_is_empty(office):
    page = await (await office.log_in()).open_page(ISSUER + PATH)
    assert "Er wacht niemand" in page.text
    assert PATH in {href.removeprefix(ISSUER) for href, _ in page.links}


async def test_clients_of_a_leaver_are_listed_with_the_date_and_assigned_in_bulk(office):
    roots = await leave(office, 2)
    _, colleague = await office.hire()
    browser = await office.log_in()
    page = await browser.open_page(ISSUER + PATH)
    assert page.text.count("Hugo Hulpverlener") == 2
    form, results = await distribute(browser, roots, colleague)
    assert "2 cliënten" in results.text
    assert "Er wacht niemand" in (await browser.open_page(ISSUER + PATH)).text
    values = {"client": [str(one) for one in roots], "medewerker": str(colleague)}
    assert "2 cliënten" in (await browser.submit_form(form, values)).text
    assert len([1 for outcome, _ in await office.read_outcomes("toewijzing:gemaakt") if outcome == "done"]) == 4


async def test_client_that_a_colleague_assigned_meanwhile_is_not_assigned_again(office):
    roots = await leave(office)
    (_, first), (_, second) = await office.hire("Noor"), await office.hire("Omar")
    browser, other = await office.log_in(), await office.log_in_administrator()
    form = (await browser.open_page(ISSUER + PATH)).find_form_with_field("medewerker")
    await distribute(other, roots, first)
    values = {"client": [str(roots[0])], "medewerker": str(second)}
    page = await browser.submit_form(form, values)
    assert "heeft al een nieuwe lezer" in page.text


@pytest.mark.parametrize("fault", ["client", "employee", "both"])
async def test_form_with_a_fault_is_shown_again_with_what_was_chosen(office, fault):
    roots = await leave(office)
    _, colleague = await office.hire()
    browser = await office.log_in()
    chosen = [] if fault in {"client", "both"} else roots
    employee = make_unknown_id() if fault in {"employee", "both"} else colleague
    _, page = await distribute(browser, chosen, employee, expect=400)
    assert "Fout:" in page.text
    assert (str(roots[0]) in page.find_form_with_field("medewerker").values.get("client", "")) is bool(chosen)


async def test_client_that_is_in_no_handover_is_refused(office):
    await leave(office)
    _, colleague = await office.hire()
    other = await office.rows.grant(purpose="elders")
    _, page = await distribute(await office.log_in(), [other, make_unknown_id()], colleague)
    assert "niet in deze overdracht" in page.text
    outcomes = await office.read_outcomes("toewijzing:gemaakt")
    assert sorted(reason for outcome, reason in outcomes if outcome == "refused") == [
        "bestaat_niet",
        "niet_in_overdracht",
    ]


async def test_told_client_is_marked_as_told_and_paused(office, portal):
    await leave(office)
    portal.clock.advance(timedelta(days=14))
    await tell_due_clients(office.rows.database.sessions, portal.clock)
    page = await (await office.log_in()).open_page(ISSUER + PATH)
    assert "Cliënt is ingelicht" in page.text


async def test_suspended_organisation_sees_the_list_and_assigns_nothing(office):
    roots = await leave(office)
    _, colleague = await office.hire()
    async with unit_of_work(office.rows.database.sessions) as session:
        await decide_recognition(session, office.rows.organisation, 3, "opgeschort")
    _, page = await distribute(await office.log_in(), roots, colleague, expect=403)
    assert "Hugo Hulpverlener" in page.text


async def test_page_is_refused_for_a_care_worker_and_a_citizen(office, portal):
    for browser in (await office.log_in(office.rows.worker), await portal.mother()):
        answer = await browser._send_request("GET", ISSUER + PATH, None)
        assert answer.status_code == 403


@pytest.mark.parametrize("query", ["?tot=gisteren&na=x", "?tot=2026-11-30T12:00:00&na=", "?na=0"])
async def test_cursor_that_is_none_shows_a_page_or_a_fault_and_no_error_of_ours(office, query):
    await leave(office)
    answer = await (await office.log_in())._send_request("GET", ISSUER + PATH + query, None)
    assert answer.status_code in {200, 400}


async def test_long_list_has_a_second_page(office):
    await leave(office, 52)
    browser = await office.log_in()
    page = await browser.open_page(ISSUER + PATH)
    (older,) = [href for href, _ in page.links if "tot=" in href]
    second = await browser.open_page(older if older.startswith("http") else ISSUER + older)
    assert second.text.count("Hugo Hulpverlener") == 2
