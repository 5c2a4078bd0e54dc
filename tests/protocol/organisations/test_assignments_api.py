"""/api/v1/toewijzingen: a teamleider, logged in for the organisation, assigns, ends and lists."""

from uuid import UUID, uuid4

import pytest

from tests.builders.keys import NOON
from tests.builders.organisations import OTHER_KVK, add_employee, add_organisation, change_employee, decide_recognition
from tests.builders.rows import MACHTIGINGEN, PERSONS
from tests.storage.assignments.assignment_world import Assignments

LEADER, WORKER = "raadslid", "collega"
ASSIGN, END = "/toewijzingen", "/toewijzingen/_beeindigen"


@pytest.fixture
async def office(api):
    """A recognised organisation with the KvK number of the personas, and machtigingen of a client."""
    return await Assignments.begin(api.database)


async def log_in_as(api, office, persona, *roles, organisation=None, **changes):
    """Log in as an employee with these roles. Returns the browser and the id of the employee."""
    browser = await api.log_in(persona)
    person = await PERSONS.read_value(api.database, "id", broker_subject=f"oefenpersoon-{persona}")
    async with api.database.sessions.begin() as session:
        where = organisation or office.organisation
        employee = await add_employee(session, where, person, roles=list(roles), **changes)
    return browser, employee


@pytest.fixture
async def leader(api, office):
    """The browser of a teamleider."""
    browser, _ = await log_in_as(api, office, LEADER, "teamleider")
    return browser


def make_item(machtiging, employee, **changes):
    return {"machtigingId": str(machtiging), "medewerkerId": str(employee)} | changes


async def assign(browser, *items):
    return await browser.call("POST", ASSIGN, {"toewijzingen": list(items)})


async def end(browser, *ids):
    return await browser.call("POST", END, {"toewijzingIds": [str(one) for one in ids]})


async def assign_one(browser, office):
    """Assign a new machtiging to the care worker. Returns the id of the assignment."""
    answer = await assign(browser, make_item(await office.grant(), office.worker_id))
    return answer.json()["resultaten"][0]["toewijzingId"]


async def test_teamleider_assigns_lists_and_ends(leader, office):
    root = await office.grant()
    answer = await assign(leader, make_item(root, office.worker_id, zaakkenmerk="Z-2026-1"))
    assert answer.status_code == 200, answer.text
    [result] = answer.json()["resultaten"]
    assert (result["resultaat"], result["machtigingId"]) == ("toegewezen", str(root))
    [listed] = (await leader.get(ASSIGN)).json()["toewijzingen"]
    assert listed == {
        "toewijzingId": result["toewijzingId"],
        "machtigingId": str(root),
        "medewerkerId": str(office.worker_id),
        "zaakkenmerk": "Z-2026-1",
        "toegewezenOp": listed["toegewezenOp"],
        "geldigTot": listed["geldigTot"],
    }
    ended = await end(leader, result["toewijzingId"])
    assert ended.json() == {"resultaten": [{"resultaat": "beeindigd", "toewijzingId": result["toewijzingId"]}]}
    assert (await leader.get(ASSIGN)).json()["toewijzingen"] == []


async def test_assigning_with_the_same_idempotency_key_gives_the_same_assignment(leader, office):
    body = {"toewijzingen": [make_item(await office.grant(), office.worker_id)]}
    key = {"Idempotency-Key": "maandag-1"}
    first, again = [(await leader.call("POST", ASSIGN, body, **key)).json() for _ in range(2)]
    assert first == again
    assert first["resultaten"][0]["resultaat"] == "toegewezen"
    assert [line.outcome for line in await office.lines("gemaakt")] == ["done"]
    [other] = (await leader.call("POST", ASSIGN, body, **{"Idempotency-Key": "maandag-2"})).json()["resultaten"]
    assert other["code"] == "al_toegewezen"


async def test_assigning_again_what_has_ended_with_the_same_idempotency_key_is_refused(leader, office):
    body = {"toewijzingen": [make_item(await office.grant(), office.worker_id)]}
    key = {"Idempotency-Key": "maandag-1"}
    [made] = (await leader.call("POST", ASSIGN, body, **key)).json()["resultaten"]
    await end(leader, made["toewijzingId"])
    [again] = (await leader.call("POST", ASSIGN, body, **key)).json()["resultaten"]
    assert (again["resultaat"], again["code"]) == ("geweigerd", "toewijzing_beeindigd")
    assert "toewijzingId" not in again


async def test_assignment_to_a_team_is_listed_with_that_of_each_member_and_ends_for_all(api, office):
    browser, _ = await log_in_as(api, office, LEADER, "organisatiebeheerder", "teamleider")
    team = (await browser.call("POST", "/teams", {"naam": "Schulden"})).json()["teamId"]
    joined = await browser.call("PUT", f"/teams/{team}/leden/{office.worker_id}")
    assert joined.status_code == 204, joined.text
    root = await office.grant()
    [result] = (await assign(browser, {"machtigingId": str(root), "teamId": team})).json()["resultaten"]
    assert result["resultaat"] == "toegewezen"
    listed = (await browser.get(ASSIGN)).json()["toewijzingen"]
    assert {
        (one["toewijzingId"] == result["toewijzingId"], one.get("medewerkerId"), one["teamId"]) for one in listed
    } == {
        (True, None, team),
        (False, str(office.worker_id), team),
    }
    assert [one.get("reden") for one in listed] == [None, None]
    await end(browser, result["toewijzingId"])
    assert (await browser.get(ASSIGN)).json()["toewijzingen"] == []


async def test_each_item_has_its_own_result_in_the_order_of_the_request(leader, office):
    root, paused = await office.grant(), await office.grant(state="paused", paused_at=NOON)
    items = [
        make_item(uuid4(), office.worker_id),
        make_item(root, office.worker_id),
        make_item(root, office.worker_id),
        make_item(root, uuid4()),
        make_item(paused, office.worker_id),
        make_item(root, office.leader_id),
        make_item(root, office.worker_id, zaakkenmerk="Z" * 61),
        {"machtigingId": str(root), "teamId": str(uuid4())},
        {"machtigingId": str(root)},
    ]
    results = (await assign(leader, *items)).json()["resultaten"]
    assert [one.get("code") for one in results] == [
        "machtiging_onbekend",
        None,
        "al_toegewezen",
        "medewerker_onbekend",
        "machtiging_gepauzeerd",
        "medewerker_geen_hulpverlener",
        "zaakkenmerk_ongeldig",
        "team_onbekend",
        "medewerker_of_team",
    ]
    assert [one["machtigingId"] for one in results] == [one["machtigingId"] for one in items]
    assert all(one["melding"] for one in results if one["resultaat"] == "geweigerd")
    assert [line.outcome for line in await office.lines("gemaakt")].count("refused") == 8


async def test_machtiging_of_another_organisation_is_answered_as_an_unknown_one(leader, api, office):
    async with api.database.sessions.begin() as session:
        other = await add_organisation(session, OTHER_KVK)
    theirs, unknown = await office.grant(gemachtigde_id=other), uuid4()
    answers = []
    for machtiging in (theirs, unknown):
        answer = await assign(leader, make_item(machtiging, office.worker_id))
        answers.append(answer.text.replace(str(machtiging), "X"))
        answer = await end(leader, machtiging)
        answers.append(answer.text.replace(str(machtiging), "X"))
    assert answers[:2] == answers[2:]


@pytest.mark.parametrize("path", [ASSIGN, END])
async def test_501_items_are_refused_as_a_whole(leader, office, path):
    root = await office.grant()
    body = {"toewijzingen": [make_item(root, office.worker_id)] * 501}
    if path == END:
        body = {"toewijzingIds": [str(root)] * 501}
    refused = await leader.call("POST", path, body)
    assert (refused.status_code, refused.json()["code"]) == (400, "te_veel_toewijzingen")
    assert "500" in refused.json()["detail"]
    lines = await office.lines("gemaakt" if path == ASSIGN else "beeindigd")
    assert [(line.outcome, line.reason) for line in lines] == [("refused", "te_veel_toewijzingen")]
    assert await MACHTIGINGEN.count(office.database) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (ASSIGN, {}),
        (ASSIGN, []),
        (ASSIGN, {"toewijzingen": []}),
        (ASSIGN, {"toewijzingen": [{"medewerkerId": str(uuid4())}]}),
        (ASSIGN, {"toewijzingen": [{"machtigingId": "1", "medewerkerId": str(uuid4())}]}),
        (ASSIGN, {"toewijzingen": [make_item(uuid4(), uuid4(), soort="overdracht")]}),
        (ASSIGN, {"toewijzingen": [make_item(uuid4(), uuid4(), zaakkenmerk=1)]}),
        (END, {"toewijzingIds": []}),
        (END, {"toewijzingIds": ["x"]}),
        (END, {"toewijzingIds": [None]}),
        (END, {"toewijzingen": [str(uuid4())]}),
    ],
)
async def test_malformed_body_is_refused(leader, path, body):
    refused = await leader.call("POST", path, body)
    assert (refused.status_code, refused.json()["code"]) == (400, "ongeldige_invoer")


@pytest.mark.parametrize("role", ["hulpverlener", "toezicht"])
async def test_employee_without_the_role_assigns_nothing_to_himself(api, office, role):
    browser, employee = await log_in_as(api, office, WORKER, role)
    refused = await assign(browser, make_item(await office.grant(), employee))
    assert (refused.status_code, refused.json()["code"]) == (403, "toewijzing_aan_uzelf")


async def test_employee_without_the_role_does_nothing_with_assignments(api, office, leader):
    held = await assign_one(leader, office)
    browser, _ = await log_in_as(api, office, WORKER, "hulpverlener", "balie")
    for answer in (
        await browser.call("GET", ASSIGN),
        await assign(browser, make_item(await office.grant(), office.worker_id)),
        await end(browser, held),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "alleen_voor_teamleider")


@pytest.mark.parametrize("persona", ["vertegenwoordigde", "beheerder", "bewindvoerder", WORKER])
async def test_assignments_are_for_employees_of_the_organisation_only(api, office, leader, persona):
    held = await assign_one(leader, office)
    browser = await api.log_in(persona)
    for answer in (
        await browser.call("GET", ASSIGN),
        await assign(browser, make_item(await office.grant(), office.worker_id)),
        await end(browser, held),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "geen_medewerker")


async def test_leader_of_another_organisation_sees_and_ends_nothing_here(api, office, leader):
    held = await assign_one(leader, office)
    async with api.database.sessions.begin() as session:
        other = await add_organisation(session, OTHER_KVK)
    browser, _ = await log_in_as(api, office, "bewindvoerder", "teamleider", organisation=other)
    assert (await browser.get(ASSIGN)).json()["toewijzingen"] == []
    [result] = (await end(browser, held)).json()["resultaten"]
    assert (result["resultaat"], result["code"]) == ("geweigerd", "toewijzing_onbekend")
    assert [one["toewijzingId"] for one in (await leader.get(ASSIGN)).json()["toewijzingen"]] == [held]


async def test_departed_leader_is_refused(api, office):
    browser, employee = await log_in_as(api, office, LEADER, "teamleider")
    held = await assign_one(browser, office)
    async with api.database.sessions.begin() as session:
        await change_employee(session, employee, state="vertrokken", ends_at=NOON)
    for answer in (await browser.call("GET", ASSIGN), await end(browser, held)):
        assert (answer.status_code, answer.json()["code"]) == (403, "geen_medewerker")


async def test_suspended_organisation_ends_and_assigns_nothing(api, office, leader):
    held = await assign_one(leader, office)
    async with api.database.sessions.begin() as session:
        await decide_recognition(session, office.organisation, 3, "opgeschort")
    refused = await assign(leader, make_item(await office.grant(), office.worker_id))
    assert (refused.status_code, refused.json()["code"]) == (403, "organisatie_opgeschort")
    [listed] = (await leader.get(ASSIGN)).json()["toewijzingen"]
    assert listed["reden"] == "organisatie_opgeschort"
    assert (await end(leader, held)).json()["resultaten"][0]["resultaat"] == "beeindigd"


@pytest.mark.parametrize("headers", [{"X-CSRF-Token": ""}, {"Origin": "https://evil.example"}])
async def test_csrf_assignment_without_token_or_from_another_site_returns_403(leader, office, headers):
    root = await office.grant()
    for path, body in (
        (ASSIGN, {"toewijzingen": [make_item(root, office.worker_id)]}),
        (END, {"toewijzingIds": [str(root)]}),
    ):
        refused = await leader.call("POST", path, body, **headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "formulier_verlopen")
    assert await MACHTIGINGEN.count(office.database) == 1


async def test_assignments_without_a_session_return_401(api, leader):
    leader.browser.http.cookies.clear()
    for method, path, body in (("GET", ASSIGN, None), ("POST", ASSIGN, {}), ("POST", END, {})):
        assert (await leader.call(method, path, body)).status_code == 401


async def test_list_of_assignments_has_pages(leader, office):
    items = [make_item(await office.grant(), office.worker_id) for _ in range(5)]
    assigned = {one["toewijzingId"] for one in (await assign(leader, *items)).json()["resultaten"]}
    path, seen = f"{ASSIGN}?aantal=2", []
    while path:
        page = (await leader.get(path)).json()
        seen += [one["toewijzingId"] for one in page["toewijzingen"]]
        path = page["_links"].get("next", {}).get("href", "").removeprefix("https://machtigen.test/api/v1")
    assert len(seen) == len(assigned) == 5
    assert set(seen) == assigned
    assert seen == sorted(seen, key=UUID)


@pytest.mark.parametrize("query", ["aantal=0", "aantal=201", "na=x", "aantal=x"])
async def test_list_of_assignments_with_a_wrong_query_is_refused(leader, query):
    assert (await leader.get(f"{ASSIGN}?{query}")).status_code == 400


async def test_list_of_assignments_names_neither_client_nor_letter(leader, office):
    await assign_one(leader, office)
    shown = (await leader.get(ASSIGN)).text
    for word in (str(office.client), "Ans", "999990019", "post bijhouden"):
        assert word not in shown
