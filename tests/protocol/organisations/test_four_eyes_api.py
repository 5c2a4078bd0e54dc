"""/api/v1/vier-ogen: an assignment by one person waits for a second one."""

from uuid import uuid4

import pytest

from machtiging.agencies.rules import Sensitivity
from machtiging.organisations.rules import ActingEmployee
from machtiging.organisations.second_person.threshold import change_four_eyes
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.organisations import add_employee
from tests.builders.rows import PERSONS
from tests.storage.assignments.assignment_world import Assignments

LEADER, ASSIGN, PATH = "raadslid", "/toewijzingen", "/vier-ogen"


@pytest.fixture
async def office(api):
    """A recognised organisation that demands four eyes of all."""
    office = await Assignments.begin(api.database)
    person, employee = await office.hire("Astrid", roles=["organisatiebeheerder"])
    async with unit_of_work(api.database.sessions) as session:
        actor = ActingEmployee(person, employee, office.organisation)
        await change_four_eyes(session, actor, Sensitivity.GEWOON, at=api.clock.now())
    return office


async def log_in_as(api, office, *roles):
    browser = await api.log_in(LEADER)
    person = await PERSONS.read_value(api.database, "id", broker_subject=f"oefenpersoon-{LEADER}")
    async with unit_of_work(api.database.sessions) as session:
        await add_employee(session, office.organisation, person, roles=list(roles))
    return browser


@pytest.fixture
async def leader(api, office):
    return await log_in_as(api, office, "teamleider")


async def decide(browser, assignment, decision="bevestigen"):
    answer = await browser.call("POST", f"{PATH}/{assignment}/_besluit", {"besluit": decision})
    return answer.status_code, answer.json().get("code") or answer.json().get("resultaat")


async def test_assignment_says_it_is_proposed_and_is_listed(leader, office):
    root = await office.grant()
    body = {"toewijzingen": [{"machtigingId": str(root), "medewerkerId": str(office.worker_id)}]}
    answer = await leader.call("POST", ASSIGN, body)
    [result] = answer.json()["resultaten"]
    assert (answer.status_code, result["resultaat"]) == (200, "voorgesteld")
    [listed] = (await leader.get(PATH)).json()["voorstellen"]
    assert (listed["toewijzingId"], listed["machtigingId"], listed["soort"]) == (
        result["toewijzingId"],
        str(root),
        "vast",
    )
    assert set(listed) == {
        *("toewijzingId", "machtigingId", "medewerkerId", "soort", "voorgesteldDoor", "voorgesteldOp", "verlooptOp"),
    }
    [assigned] = (await leader.get(ASSIGN)).json()["toewijzingen"]
    assert assigned["reden"] == "toewijzing_niet_bevestigd"
    assert await decide(leader, result["toewijzingId"]) == (403, "eigen_voorstel")


async def test_second_person_confirms_once(leader, office):
    assignment = await office.assign(await office.grant())
    assert await decide(leader, assignment) == (200, "bevestigd")
    assert await decide(leader, assignment) == (409, "voorstel_afgehandeld")
    assert (await leader.get(PATH)).json()["voorstellen"] == []
    [assigned] = (await leader.get(ASSIGN)).json()["toewijzingen"]
    assert "reden" not in assigned


async def test_second_person_refuses(leader, office):
    assignment = await office.assign(await office.grant())
    assert await decide(leader, assignment, "weigeren") == (200, "geweigerd")
    assert await decide(leader, assignment) == (409, "voorstel_afgehandeld")


async def test_list_is_paged(leader, office):
    for _ in range(3):
        await office.assign(await office.grant())
    first = (await leader.get(f"{PATH}?aantal=2")).json()
    last = first["voorstellen"][-1]["toewijzingId"]
    second = (await leader.get(f"{PATH}?aantal=2&na={last}")).json()
    assert [len(page["voorstellen"]) for page in (first, second)] == [2, 1]
    assert "next" in first["_links"]
    assert "next" not in second["_links"]


@pytest.mark.parametrize("role", ["hulpverlener", "toezicht", "balie"])
async def test_employee_without_the_role_is_refused(api, office, role):
    browser = await log_in_as(api, office, role)
    assignment = await office.assign(await office.grant())
    answer = await browser.get(PATH)
    assert (answer.status_code, answer.json()["code"]) == (403, "alleen_voor_teamleider")
    assert await decide(browser, assignment) == (403, "alleen_voor_teamleider")


@pytest.mark.parametrize("body", [{}, {"besluit": "misschien"}, {"besluit": "bevestigen", "extra": 1}])
async def test_body_that_says_no_decision_is_refused(leader, office, body):
    assignment = await office.assign(await office.grant())
    assert (await leader.call("POST", f"{PATH}/{assignment}/_besluit", body)).status_code == 400


async def test_unknown_id_and_machtiging_itself_are_answered_alike(leader, office):
    root = await office.grant()
    assert await decide(leader, uuid4()) == await decide(leader, root) == (404, "voorstel_onbekend")


async def test_decision_without_the_csrf_token_is_refused(leader, office):
    assignment = await office.assign(await office.grant())
    leader.csrf = ""
    assert (await decide(leader, assignment))[0] == 403
