"""/organisatie: clients without a reader first, assigning some of them, and ending an assignment."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from machtiging.kernel.assurance import Assurance
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON
from tests.builders.organisations import OTHER_KVK, add_employee, add_organisation, change_employee, decide_recognition
from tests.builders.people import ISSUER
from tests.builders.rows import MACHTIGINGEN
from tests.protocol.organisation_pages.office import CLIENTS, OfficePages, make_unknown_id
from tests.protocol.portal.test_page_statements import count_statements

# Five, and one for the names of employees whom no invitation named, as these.
MOST_STATEMENTS = 6
DONE = ("done", "gemaakt")


async def status_of(browser, path: str) -> int:
    answer = await browser._send_request("GET", ISSUER + path, None)
    return answer.status_code


async def count_links(office) -> int:
    return await MACHTIGINGEN.count(office.rows.database, employee_id=office.rows.worker_id)


async def test_client_without_reader_is_counted_and_listed_first(office):
    first, second = await office.rows.grant(), await office.rows.grant(purpose="schulden regelen")
    await office.rows.assign(first)
    page = await (await office.log_in()).open_page(ISSUER + CLIENTS)
    assert "1 cliënt heeft nu geen lezer. Uw organisatie heeft 2 cliënten." in page.text
    assert page.text.index("schulden regelen") < page.text.index("post bijhouden")
    assert "Hugo Hulpverlener" in page.text
    assert page.find_form(CLIENTS).choices["client"] == [str(second), str(first)]


async def test_machtiging_that_is_over_is_not_a_client(office):
    await office.rows.grant(ends_at=NOON - timedelta(hours=1), starts_at=NOON - timedelta(days=9))
    page = await (await office.log_in()).open_page(ISSUER + CLIENTS)
    assert "Er zijn geen cliënten" in page.text


@pytest.mark.parametrize("changes", [{"state": "op_non_actief"}, {"roles": ["balie"]}])
async def test_client_of_inactive_employee_or_other_role_has_no_reader(office, changes):
    await office.rows.assign(await office.rows.grant())
    async with unit_of_work(office.rows.database.sessions) as session:
        await change_employee(session, office.rows.worker_id, **changes)
    page = await (await office.log_in()).open_page(ISSUER + CLIENTS)
    assert "1 cliënt heeft nu geen lezer." in page.text


async def test_chosen_clients_are_assigned_with_a_result_each(office):
    first, second = await office.rows.grant(), await office.rows.grant(purpose="schulden regelen")
    paused = await office.rows.grant(state="paused", paused_at=NOON)
    page = await office.assign(await office.log_in(), first, second, paused, zaakkenmerk="Z-1")
    assert "2 cliënten zijn nu van Hugo Hulpverlener" in page.text
    assert "1 cliënt is niet toegewezen" in page.text
    assert sorted(await office.read_outcomes("toewijzing:gemaakt")) == [
        DONE,
        DONE,
        ("refused", "machtiging_gepauzeerd"),
    ]


async def test_assigned_employee_reads_and_after_the_end_does_not(office):
    root = await office.rows.grant()
    leader = await office.log_in()
    await office.assign(leader, root)
    link = await MACHTIGINGEN.read_value(office.rows.database, "id", employee_id=office.rows.worker_id)
    box = await office.open_box(office.rows.worker, link)
    assert (await box.get()).status_code == 200
    client = await leader.open_page(f"{ISSUER}/organisatie/clienten/{root}")
    question = await leader.open_page(ISSUER + next(href for href, _ in client.links if str(link) in href))
    ended = await leader.submit_form(question.find_form(f"/toewijzingen/{link}"), {})
    assert "De toewijzing is gestopt" in ended.text
    assert (await box.get()).status_code == 403
    assert await office.read_outcomes("toewijzing:beeindigd") == [("done", "beeindigd")]


async def test_form_pressed_twice_and_again_assigns_once(office):
    root = await office.rows.grant()
    browser = await office.log_in()
    form = (await browser.open_page(ISSUER + CLIENTS)).find_form(CLIENTS)
    sent = {**form.values, "client": str(root), "medewerker": str(office.rows.worker_id)}
    answers = await asyncio.gather(*(browser._send_request("POST", ISSUER + CLIENTS, sent) for _ in range(2)))
    answers.append(await browser._send_request("POST", ISSUER + CLIENTS, sent))
    assert [("1 cliënt is nu van" in answer.text, answer.status_code) for answer in answers] == [(True, 200)] * 3
    assert await count_links(office) == 1
    assert await office.read_outcomes("toewijzing:gemaakt") == [DONE]


async def test_ending_twice_is_answered_kindly(office):
    root = await office.rows.grant()
    link = await office.rows.assign(root)
    browser = await office.log_in()
    question = await browser.open_page(f"{ISSUER}/organisatie/clienten/{root}/toewijzingen/{link}")
    form = question.find_form(f"/toewijzingen/{link}")
    for _ in range(2):
        assert "De toewijzing is gestopt" in (await browser.submit_form(form, {})).text
    again = await browser.open_page(f"{ISSUER}/organisatie/clienten/{root}/toewijzingen/{link}")
    assert "Niemand leest nu" in again.text


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"client": []}, "Kies minstens één cliënt."),
        ({"client": ["1", "x"]}, "Kies minstens één cliënt."),
        ({"medewerker": ""}, "Kies een medewerker."),
        ({"medewerker": make_unknown_id()}, "Kies een medewerker."),
        ({"zaakkenmerk": "Z" * 61}, "60"),
        ({"zaakkenmerk": "a\x00b"}, "Gebruik"),
    ],
)
async def test_form_with_bad_input_keeps_what_was_chosen(office, changes, fault):
    root = await office.rows.grant()
    page = await office.assign(await office.log_in(), root, expect=400, **({"zaakkenmerk": "Z-1"} | changes))
    assert fault in page.text
    if "zaakkenmerk" not in changes:
        assert page.find_form(CLIENTS).values["zaakkenmerk"] == "Z-1"
    assert await count_links(office) == 0


async def test_501_clients_are_refused_as_a_whole(office):
    root = await office.rows.grant()
    many = [str(root), *(make_unknown_id() for _ in range(500))]
    page = await office.assign(await office.log_in(), *many, expect=403)
    assert "500" in page.text
    assert await count_links(office) == 0
    assert await office.read_outcomes("toewijzing:gemaakt") == [("refused", "te_veel_toewijzingen")]


async def test_10001_clients_are_refused(office):
    await office.rows.grant()
    browser = await office.log_in()
    form = (await browser.open_page(ISSUER + CLIENTS)).find_form(CLIENTS)
    sent = {**form.values, "client": [make_unknown_id() for _ in range(10_001)]}
    answer = await browser._send_request("POST", ISSUER + CLIENTS, sent)
    assert 400 <= answer.status_code < 500


async def test_assignment_to_departed_employee_is_refused(office):
    root = await office.rows.grant()
    browser = await office.log_in()
    form = (await browser.open_page(ISSUER + CLIENTS)).find_form(CLIENTS)
    async with unit_of_work(office.rows.database.sessions) as session:
        await change_employee(session, office.rows.worker_id, state="vertrokken", ends_at=NOON)
    values = {"client": str(root), "medewerker": str(office.rows.worker_id)}
    answer = await browser._send_request("POST", ISSUER + CLIENTS, form.values | values)
    assert answer.status_code == 400
    assert await count_links(office) == 0


async def test_machtiging_of_another_organisation_is_answered_as_an_unknown_one(office, portal, database):
    theirs = await OfficePages.begin(portal, database, OTHER_KVK)
    root = await theirs.rows.grant()
    link = await theirs.rows.assign(root)
    browser = await office.log_in()
    await office.rows.grant()
    texts = []
    for client, assignment in ((root, link), (make_unknown_id(), make_unknown_id())):
        assert await status_of(browser, f"/organisatie/clienten/{client}") == 404
        path = f"/organisatie/clienten/{client}/toewijzingen/{assignment}"
        assert await status_of(browser, path) == 404
        csrf = (await browser.open_page(ISSUER + CLIENTS)).find_form(CLIENTS).values["csrf"]
        answer = await browser._send_request("POST", ISSUER + path, {"csrf": csrf})
        assert answer.status_code == 404
        texts.append((await office.assign(browser, client)).text)
    assert texts[0] == texts[1]
    assert "1 cliënt is niet toegewezen" in texts[0]
    assert (await theirs.rows.authority(link)).stop_reason(NOON) is None


@pytest.mark.parametrize("roles", [["hulpverlener"], ["toezicht"], ["balie"]])
async def test_employee_without_the_role_is_refused_kindly_and_journalled(office, roles):
    root = await office.rows.grant()
    person, _ = await office.hire(roles=roles)
    browser = await office.log_in(person)
    for path in (CLIENTS, f"/organisatie/clienten/{root}"):
        answer = await browser._send_request("GET", ISSUER + path, None)
        assert (answer.status_code, "teamleider" in answer.text) == (403, True)
    assert set(await office.read_outcomes("toewijzing:lijst")) == {("refused", "alleen_voor_teamleider")}


async def test_citizen_has_no_page_of_an_organisation(office, portal):
    assert await status_of(await portal.mother(), CLIENTS) == 403


async def test_low_login_asks_for_a_higher_level(office):
    answer = await (await office.log_in(assurance=Assurance.LOW))._send_request("GET", ISSUER + CLIENTS, None)
    assert answer.status_code in {303, 401, 403}
    assert "Uw organisatie heeft" not in answer.text


async def test_leader_of_a_suspended_organisation_looks_and_assigns_nothing(office):
    root = await office.rows.grant()
    async with unit_of_work(office.rows.database.sessions) as session:
        await decide_recognition(session, office.rows.organisation, 3, "opgeschort")
    browser = await office.log_in()
    assert "U kunt wel kijken" in (await browser.open_page(ISSUER + CLIENTS)).text
    await office.assign(browser, root, expect=403)
    assert await office.read_outcomes("toewijzing:gemaakt") == [("refused", "organisatie_opgeschort")]
    assert await count_links(office) == 0


async def test_list_has_pages(office, database):
    roots = [await office.rows.grant() for _ in range(53)]
    await office.rows.assign(roots[0])
    browser = await office.log_in()
    page, found = await browser.open_page(ISSUER + CLIENTS), []
    found += page.find_form(CLIENTS).choices["client"]
    older = next(href for href, _ in page.links if "na=" in href)
    page = await browser.open_page(ISSUER + older.removeprefix(ISSUER))
    found += page.find_form(CLIENTS).choices["client"]
    assert found == [*map(str, sorted(roots[1:])), str(roots[0])]


async def test_suspended_leader_is_refused_on_the_next_request(office):
    browser = await office.log_in()
    assert await status_of(browser, CLIENTS) == 200
    async with unit_of_work(office.rows.database.sessions) as session:
        await change_employee(session, office.rows.leader_id, state="op_non_actief")
    assert await status_of(browser, CLIENTS) == 403


async def test_two_organisations_of_one_person_do_not_mix(office, portal, database):
    await office.rows.grant(purpose="elders geheim")
    async with unit_of_work(database.sessions) as session:
        other = await add_organisation(session, OTHER_KVK)
        await add_employee(session, other, office.rows.leader, roles=["teamleider"])
    browser = await portal.browser_of(office.rows.leader, kvk=OTHER_KVK)
    page = await browser.open_page(ISSUER + CLIENTS)
    assert "elders geheim" not in page.text
    assert "Er zijn geen cliënten" in page.text


async def test_pages_of_a_full_organisation_take_few_statements(office, database):
    for number in range(60):
        root = await office.rows.grant()
        if number % 2:
            await office.rows.assign(root)
    browser = await office.log_in_administrator()
    employee = f"/organisatie/medewerkers/{office.rows.worker_id}"
    paths = (CLIENTS, f"/organisatie/clienten/{root}", "/organisatie/medewerkers", employee, f"{employee}/vertrek")
    counts = {path: await count_statements(browser, path, database) for path in paths}
    assert {path: count for path, count in counts.items() if not 0 < count <= MOST_STATEMENTS} == {}


@pytest.mark.parametrize("path", ["", "/aangeboden", "/vervangingen", "/overdrachten", "/logboek"])
async def test_pages_of_organisation_with_withdrawn_recognition_show_no_client(office, path):
    await office.rows.assign(await office.rows.grant())
    browser = await office.log_in_administrator()
    assert "Ans Voorbeeld" in (await browser.open_page(ISSUER + CLIENTS)).text
    async with unit_of_work(office.rows.database.sessions) as session:
        await decide_recognition(session, office.rows.organisation, 3, "ingetrokken")
    page = await browser.open_page(ISSUER + CLIENTS + path, expected_status=403)
    assert "U ziet de cliënten niet meer." in page.text
    assert "Ans Voorbeeld" not in page.text


async def test_suspended_organisation_sees_its_clients(office):
    await office.rows.assign(await office.rows.grant())
    async with unit_of_work(office.rows.database.sessions) as session:
        await decide_recognition(session, office.rows.organisation, 3, "opgeschort")
    page = await (await office.log_in_administrator()).open_page(ISSUER + CLIENTS)
    assert "Ans Voorbeeld" in page.text
    assert "U kunt wel kijken, maar niets toewijzen." in page.text
