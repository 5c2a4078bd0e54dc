"""/api/v1/overdrachten: clients of an employee who left, distributed by a teamleider."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from machtiging.delegation.handover.departure import record_departure
from machtiging.organisations.rules import ActingOperator
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON, load_keyring
from tests.builders.organisations import OTHER_KVK, add_employee, add_organisation
from tests.builders.people import add_person_without_bsn
from tests.builders.rows import PERSONS
from tests.storage.assignments.assignment_world import Assignments

LEADER, ADMINISTRATOR = "raadslid", "collega"
LIST = "/overdrachten"


@pytest.fixture
async def office(api):
    """A recognised organisation with the KvK number of the personas, and machtigingen of a client."""
    return await Assignments.begin(api.database)


async def log_in_as(api, office, persona, *roles):
    browser = await api.log_in(persona)
    person = await PERSONS.read_value(api.database, "id", broker_subject=f"oefenpersoon-{persona}")
    async with api.database.sessions.begin() as session:
        await add_employee(session, office.organisation, person, roles=list(roles))
    return browser


@pytest.fixture
async def leader(api, office):
    return await log_in_as(api, office, LEADER, "teamleider")


@pytest.fixture
async def administrator(api, office):
    return await log_in_as(api, office, ADMINISTRATOR, "organisatiebeheerder")


async def leave_with(administrator, office, count=2):
    """The care worker leaves with these many clients. Returns the machtigingen and the answer."""
    roots = [await office.grant() for _ in range(count)]
    for root in roots:
        await office.assign(root)
    answer = await administrator.call("POST", f"/medewerkers/{office.worker_id}/_vertrek")
    assert answer.status_code == 200, answer.text
    return roots, answer.json()


async def distribute(browser, handover, *items, **headers):
    body = {"regels": [{"machtigingId": str(root), "medewerkerId": str(employee)} for root, employee in items]}
    return await browser.call("POST", f"{LIST}/{handover}/_verdelen", body, **headers)


async def test_departure_answers_with_the_count_and_the_handover_is_listed(administrator, leader, office):
    roots, departure = await leave_with(administrator, office)
    handover = departure.pop("overdrachtId")
    assert departure == {"beeindigdeToewijzingen": 2, "clientenZonderLezer": 2}
    [listed] = (await leader.get(LIST)).json()["overdrachten"]
    assert listed.pop("geopendOp")
    assert listed == {
        "overdrachtId": handover,
        "medewerkerId": str(office.worker_id),
        "aanleiding": "vertrek",
        "aantalClienten": 2,
        "aantalWacht": 2,
    }
    items = (await leader.get(f"{LIST}/{handover}")).json()["regels"]
    assert [one["machtigingId"] for one in items] == sorted(map(str, roots))
    assert {one["status"] for one in items} == {"wacht"}


async def test_distribution_has_a_result_for_each_item_and_can_be_repeated(administrator, leader, office):
    roots, departure = await leave_with(administrator, office)
    _, colleague = await office.hire()
    _, third = await office.hire()
    stranger, outside = uuid4(), await office.grant()
    items = [(roots[0], colleague), (outside, colleague), (roots[1], stranger), (roots[1], office.worker_id)]
    key = {"Idempotency-Key": "maandag-1"}
    answers = [await distribute(leader, departure["overdrachtId"], *items, **key) for _ in range(2)]
    assert answers[0].status_code == 200, answers[0].text
    results = answers[0].json()["resultaten"]
    codes = [None, "niet_in_overdracht", "medewerker_onbekend", "medewerker_vertrokken"]
    assert [one.get("code") for one in results] == codes
    assert answers[1].json()["resultaten"] == results
    [again] = (await distribute(leader, departure["overdrachtId"], (roots[0], third))).json()["resultaten"]
    assert again["code"] == "al_overgedragen"
    [listed] = (await leader.get(LIST)).json()["overdrachten"]
    assert listed["aantalWacht"] == 1
    states = {one["machtigingId"]: one for one in await read_items(leader, departure)}
    assert states[str(roots[0])]["status"] == "toegewezen"
    assert states[str(roots[0])]["toewijzingId"] == results[0]["toewijzingId"]


async def read_items(browser, departure):
    return (await browser.get(f"{LIST}/{departure['overdrachtId']}")).json()["regels"]


async def test_lists_have_pages(administrator, leader, office):
    _, departure = await leave_with(administrator, office, count=3)
    path, seen = f"{LIST}/{departure['overdrachtId']}?aantal=2", []
    while path:
        page = (await leader.get(path)).json()
        seen += [one["machtigingId"] for one in page["regels"]]
        path = page["_links"].get("next", {}).get("href", "").removeprefix("https://machtigen.test/api/v1")
    assert len(seen) == len(set(seen)) == 3


async def test_handover_of_another_organisation_is_answered_as_an_unknown_one(api, leader, office):
    async with api.database.sessions.begin() as session:
        organisation = await add_organisation(session, OTHER_KVK)
        person = await add_person_without_bsn(session, "Vreemd", None)
        stranger = await add_employee(session, organisation, person)
    other = replace(office, organisation=organisation)
    root = await other.grant()
    await other.link(root, employee_id=stranger)
    async with unit_of_work(api.database.sessions) as session:
        operator = ActingOperator(None, "root")
        theirs = await record_departure(session, load_keyring(), operator, stranger, at=NOON)
    for handover in (theirs.handover_id, uuid4()):
        for answer in (
            await leader.get(f"{LIST}/{handover}"),
            await distribute(leader, handover, (root, office.worker_id)),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "overdracht_onbekend")


@pytest.mark.parametrize("roles", [["hulpverlener"], ["toezicht"], ["balie"]])
async def test_handovers_are_for_leaders_only(api, administrator, office, roles):
    _, departure = await leave_with(administrator, office)
    visitor = await log_in_as(api, office, LEADER, *roles)
    _, colleague = await office.hire()
    for answer in (
        await visitor.get(LIST),
        await visitor.get(f"{LIST}/{departure['overdrachtId']}"),
        await distribute(visitor, departure["overdrachtId"], (uuid4(), colleague)),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "alleen_voor_teamleider")
    refused = [line.reason for line in await api.lines("overdracht:lijst")]
    assert refused == ["alleen_voor_teamleider"] * 3


async def test_citizen_without_an_organisation_has_no_handovers(api, office):
    visitor = await api.log_in("vertegenwoordigde")
    answer = await visitor.get(LIST)
    assert (answer.status_code, answer.json()["code"]) == (403, "geen_medewerker")


@pytest.mark.parametrize(
    "body",
    [{}, {"regels": []}, {"regels": [{"machtigingId": "x", "medewerkerId": "y"}]}, {"regels": [{}], "meer": 1}],
)
async def test_distribution_with_a_wrong_body_is_refused(administrator, leader, office, body):
    _, departure = await leave_with(administrator, office)
    answer = await leader.call("POST", f"{LIST}/{departure['overdrachtId']}/_verdelen", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "ongeldige_invoer")


async def test_distribution_of_more_than_500_is_refused_as_a_whole(administrator, leader, office):
    _, departure = await leave_with(administrator, office)
    _, colleague = await office.hire()
    answer = await distribute(leader, departure["overdrachtId"], *[(uuid4(), colleague)] * 501)
    assert (answer.status_code, answer.json()["code"]) == (400, "te_veel_toewijzingen")


async def test_departure_is_due_after_fourteen_days(api, administrator, leader, office):
    _, departure = await leave_with(administrator, office, count=1)
    [item] = await read_items(leader, departure)
    due = (api.clock.now() + timedelta(days=14)).date().isoformat()
    assert item["uiterlijkOp"].startswith(due)
    assert "gemeldOp" not in item
